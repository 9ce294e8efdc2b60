//! What CloudWatch knows of SQS queues: how much comes in and is deleted, and how old the oldest message is.
//!
//! SQS writes these metrics once a minute, of queues that were used within the last six hours, and a minute or two late
//! (Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"). A call of GetMetricData asks about up to 500
//! (Amazon CloudWatch API Reference, "GetMetricData"), and costs a cent for a thousand.

use std::{collections::HashMap, time::Duration};

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode},
};
use lamplighter::{
    Timestamp,
    backend::{Accuracy, QueueFlow, QueueStatus, StoreError},
};
use tokio::{sync::OnceCell, time::timeout};

use super::access::Access;
use crate::{rollups, sdk::explain};

const NAMESPACE: &str = "AWS/SQS";
/// The most queries of a call.
const QUERIES: usize = 500;
/// How long a look at the queues waits for the age of their messages.
const PATIENCE: Duration = Duration::from_secs(3);
const PERIOD: i32 = 60;
const CAME: &str = "NumberOfMessagesSent";
const ENDED: &str = "NumberOfMessagesDeleted";
const AGE: &str = "ApproximateAgeOfOldestMessage";
/// Metrics of the last minute are not complete.
const LATE: i64 = 60;
/// How far back the oldest message's age is looked for.
const LATEST: i64 = 300;

/// The client, created at first use.
#[derive(Debug, Default)]
pub(super) struct Metrics(OnceCell<Client>);

/// A question: the number of the queue, its name at SQS, the metric, and the statistic.
struct Question<'a> {
    index: usize,
    queue: &'a str,
    metric: &'a str,
    statistic: &'a str,
}

/// The values of a metric, each with its moment in seconds, by the queue's number and the metric.
type Answers = HashMap<(usize, String), Vec<(i64, f64)>>;

impl Metrics {
    /// How much has come into all queues and was deleted, over five whole minutes.
    pub(super) async fn flow(&self, access: &Access) -> Result<Vec<QueueFlow>, StoreError> {
        let queues: Vec<(&str, &str)> =
            access.queues().iter().map(|(name, queue)| (name, own_name(&queue.url))).collect();
        let ask = |metric| {
            let questions = queues.iter().enumerate();
            questions.map(move |(index, (_, queue))| Question { index, queue, metric, statistic: "Sum" })
        };
        let questions: Vec<_> = ask(CAME).chain(ask(ENDED)).collect();
        let until = minute(access.env().now()) - LATE;
        let since = until - i64::from(QueueFlow::MINUTES) * 60;
        let answers = self.ask(access, &questions, (since, until)).await?;
        Ok(flows(queues.iter().map(|(name, _)| *name), &answers))
    }

    /// Says since when the oldest messages wait, of the queues where any do. It is left out where CloudWatch does not tell:
    /// nobody's look at the queues fails because of it.
    pub(super) async fn tell_oldest(&self, access: &Access, all: &mut [QueueStatus]) {
        let waiting = all.iter().enumerate().filter(|(_, status)| status.waiting > 0);
        let questions: Vec<_> = waiting
            .filter_map(|(index, status)| {
                let queue = own_name(&access.queues().get(&status.queue)?.url);
                Some(Question { index, queue, metric: AGE, statistic: "Maximum" })
            })
            .collect();
        if questions.is_empty() {
            return;
        }
        let now = access.env().now();
        let asking = timeout(PATIENCE, self.ask(access, &questions, (minute(now) - LATEST, minute(now) + 60)));
        let late = |_| Err(StoreError::unavailable("CloudWatch did not answer in time"));
        let answers = match asking.await.unwrap_or_else(late) {
            Ok(answers) => answers,
            Err(error) => {
                tracing::debug!(%error, "it is not known how old the oldest messages are");
                return;
            }
        };
        tell(all, &answers, now);
    }

    async fn ask(
        &self,
        access: &Access,
        questions: &[Question<'_>],
        (since, until): (i64, i64),
    ) -> Result<Answers, StoreError> {
        let client = self.0.get_or_try_init(|| rollups::client(access.sqs.sdk())).await?;
        let mut answers = Answers::new();
        for (offset, some) in questions.chunks(QUERIES).enumerate() {
            let queries = some.iter().enumerate().map(|(number, question)| question.query(number)).collect();
            let request = client.get_metric_data().set_metric_data_queries(Some(queries));
            let request = request.start_time(DateTime::from_secs(since)).end_time(DateTime::from_secs(until));
            let mut pages = request.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| explain(&error, "read the metrics of queues"))?;
                for result in page.metric_data_results.unwrap_or_default() {
                    let failed = matches!(result.status_code, Some(StatusCode::InternalError | StatusCode::Forbidden));
                    let number = result.id.as_deref().and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok());
                    let question = number.and_then(|number| questions.get(offset * QUERIES + number));
                    let Some(question) = question.filter(|_| !failed) else {
                        return Err(StoreError::unavailable("CloudWatch did not answer about a queue"));
                    };
                    let values = result.timestamps().iter().map(DateTime::secs).zip(result.values().iter().copied());
                    answers.entry((question.index, question.metric.to_owned())).or_default().extend(values);
                }
            }
        }
        Ok(answers)
    }
}

impl Question<'_> {
    fn query(&self, number: usize) -> MetricDataQuery {
        let dimension = Dimension::builder().name("QueueName").value(self.queue).build();
        let metric = Metric::builder().namespace(NAMESPACE).metric_name(self.metric).dimensions(dimension).build();
        let statistic = MetricStat::builder().metric(metric).period(PERIOD).stat(self.statistic).build();
        MetricDataQuery::builder().id(format!("q{number}")).metric_stat(statistic).build()
    }
}

/// A queue without a metric was not used for long: nothing came in, and nothing ended.
fn flows<'a>(names: impl Iterator<Item = &'a str>, answers: &Answers) -> Vec<QueueFlow> {
    let a_minute = |index: usize, metric: &str| {
        let values = answers.get(&(index, metric.to_owned())).into_iter().flatten();
        Some(values.map(|(_, value)| value).sum::<f64>() / f64::from(QueueFlow::MINUTES))
    };
    let flow = |(index, name): (usize, &str)| {
        let mut flow = QueueFlow::new(name, Accuracy::Approximate);
        (flow.in_per_minute, flow.out_per_minute) = (a_minute(index, CAME), a_minute(index, ENDED));
        flow
    };
    names.enumerate().map(flow).collect()
}

/// Takes the latest age of each queue.
fn tell(all: &mut [QueueStatus], answers: &Answers, now: Timestamp) {
    for ((index, _), values) in answers {
        let latest = values.iter().max_by_key(|(at, _)| *at);
        if let (Some(status), Some((_, age))) = (all.get_mut(*index), latest) {
            status.oldest = before(now, *age);
        }
    }
}

/// The name of a queue at SQS: the last part of its URL.
fn own_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// The beginning of a moment's minute, in seconds.
fn minute(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(60) * 60
}

fn before(now: Timestamp, seconds: f64) -> Option<Timestamp> {
    now.saturating_sub(Duration::try_from_secs_f64(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use lamplighter::backend::{Consumer, ConsumerKind, ConsumerState};

    use super::*;

    #[test]
    fn flows_are_sums_by_the_minute_and_nothing_where_there_is_no_metric() {
        let answers = Answers::from([
            ((0, CAME.to_owned()), vec![(60, 100.0), (120, 50.0)]),
            ((0, ENDED.to_owned()), vec![(60, 25.0)]),
        ]);
        let flows = flows(["busy", "idle"].into_iter(), &answers);
        let told: Vec<_> = flows.iter().map(|flow| (&*flow.queue, flow.in_per_minute, flow.out_per_minute)).collect();
        assert_eq!(told, [("busy", Some(30.0), Some(5.0)), ("idle", Some(0.0), Some(0.0))]);
    }

    #[test]
    fn the_oldest_message_is_as_old_as_the_latest_metric_says() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let consumer = Consumer { kind: ConsumerKind::EventSourceMapping, state: ConsumerState::Active };
        let status = |name: &str| QueueStatus::new(name, false, consumer, Accuracy::Approximate);
        let mut all = [status("one"), status("two"), status("three")];
        let answers = Answers::from([
            ((0, AGE.to_owned()), vec![(120, 40.0), (60, 900.0)]),
            ((1, AGE.to_owned()), Vec::new()),
            ((2, AGE.to_owned()), vec![(60, -1.0)]),
        ]);
        tell(&mut all, &answers, now);
        let oldest: Vec<_> = all.iter().map(|status| status.oldest.map(Timestamp::as_second)).collect();
        assert_eq!(oldest, [Some(1_799_999_960), None, None]);
    }

    #[test]
    fn a_queue_is_named_by_the_end_of_its_url() {
        assert_eq!(own_name("https://sqs.eu-west-1.amazonaws.com/123456789012/shop-mails"), "shop-mails");
        assert_eq!(minute(Timestamp::from_second(119).unwrap()), 60);
    }
}
