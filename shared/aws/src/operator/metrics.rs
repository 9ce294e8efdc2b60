//! What CloudWatch knows of SQS queues: how much comes in and is deleted, and how old the oldest message is.
//!
//! SQS writes these metrics once a minute, of queues that were used within the last six hours, and a minute or two late
//! (Amazon SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"). A call of GetMetricData asks about up to 500
//! (Amazon CloudWatch API Reference, "GetMetricData"), and costs a cent for a thousand.

use std::collections::HashMap;

use aws_sdk_cloudwatch::{
    Client,
    primitives::DateTime,
    types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode},
};
use lamplighter::{
    Timestamp,
    backend::{Accuracy, QueueFlow, QueueStatus, StoreError},
};
use tokio::sync::OnceCell;

use super::access::Access;
use crate::{rollups, sdk::explain};

const NAMESPACE: &str = "AWS/SQS";
/// The most queries of a call.
const QUERIES: usize = 500;
const PERIOD: i32 = 60;
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
        let (came, ended) = ("NumberOfMessagesSent", "NumberOfMessagesDeleted");
        let queues: Vec<(&str, &str)> =
            access.queues().iter().map(|(name, queue)| (name, own_name(&queue.url))).collect();
        let ask = |metric| {
            let questions = queues.iter().enumerate();
            questions.map(move |(index, (_, queue))| Question { index, queue, metric, statistic: "Sum" })
        };
        let questions: Vec<_> = ask(came).chain(ask(ended)).collect();
        let until = minute(access.env().now()) - LATE;
        let since = until - i64::from(QueueFlow::MINUTES) * 60;
        let mut answers = self.ask(access, &questions, (since, until)).await?;
        let mut sum = |index: usize, metric: &str| {
            let values = answers.remove(&(index, metric.to_owned())).unwrap_or_default();
            values.into_iter().map(|(_, value)| value).sum::<f64>() / f64::from(QueueFlow::MINUTES)
        };
        let flow = |(index, (name, _)): (usize, &(&str, &str))| {
            let mut flow = QueueFlow::new(*name, Accuracy::Approximate);
            // A queue without a metric was not used for long.
            (flow.in_per_minute, flow.out_per_minute) = (Some(sum(index, came)), Some(sum(index, ended)));
            flow
        };
        Ok(queues.iter().enumerate().map(flow).collect())
    }

    /// Says since when the oldest messages wait, of the queues where any do. It is left out where CloudWatch does not tell:
    /// nobody's look at the queues fails because of it.
    pub(super) async fn tell_oldest(&self, access: &Access, all: &mut [QueueStatus]) {
        let metric = "ApproximateAgeOfOldestMessage";
        let waiting = all.iter().enumerate().filter(|(_, status)| status.waiting > 0);
        let questions: Vec<_> = waiting
            .filter_map(|(index, status)| {
                let queue = own_name(&access.queues().get(&status.queue)?.url);
                Some(Question { index, queue, metric, statistic: "Maximum" })
            })
            .collect();
        if questions.is_empty() {
            return;
        }
        let now = access.env().now();
        let answers = match self.ask(access, &questions, (minute(now) - LATEST, minute(now) + 60)).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::debug!(%error, "it is not known how old the oldest messages are");
                return;
            }
        };
        for ((index, _), values) in answers {
            let latest = values.into_iter().max_by_key(|(at, _)| *at);
            if let (Some(status), Some((_, age))) = (all.get_mut(index), latest) {
                status.oldest = before(now, age);
            }
        }
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

/// The name of a queue at SQS: the last part of its URL.
fn own_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

/// The beginning of a moment's minute, in seconds.
fn minute(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(60) * 60
}

fn before(now: Timestamp, seconds: f64) -> Option<Timestamp> {
    now.saturating_sub(std::time::Duration::try_from_secs_f64(seconds).ok()?).ok()
}
