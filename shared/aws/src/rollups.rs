//! Roll-ups from CloudWatch: of the metrics that the functions of a deployment write.
//!
//! Metrics are found by ListMetrics, which knows those of the last two weeks (Amazon CloudWatch API Reference, "ListMetrics"),
//! and read by GetMetricData, up to 500 in a call ("GetMetricData"). Where a point is longer than a day, its percentiles are
//! those of its slowest day. A read costs a cent for a thousand metrics; there are
//! nine for each job and queue of a function (Amazon CloudWatch Pricing). Ask once a minute, no more often: they have no
//! finer times.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    Client, config,
    primitives::DateTime,
    types::{Dimension, DimensionFilter, Metric, MetricDataQuery, MetricDataResult, MetricStat, StatusCode},
};
use lamplighter::{
    Timestamp,
    backend::{Rollups, StoreError, StoreErrorKind},
    env::Env,
    meter::{Instrument, Percentiles, Rollup, RollupPoint, RollupQuery},
};
use tokio::sync::OnceCell;

use crate::sdk::{AwsClients, explain};

/// The metrics that functions of a deployment have written into CloudWatch.
pub(crate) struct CloudWatch {
    sdk: AwsClients,
    client: OnceCell<Client>,
    /// The functions' names.
    functions: Vec<String>,
    env: Env,
}

/// The most queries of a call.
const QUERIES: usize = 500;

/// The longest period: a day (Amazon CloudWatch User Guide, "CloudWatch concepts").
const LONGEST: u64 = 86_400;

/// What is older is kept in longer periods: this old, of this many seconds.
const KEPT: [(Duration, u64); 2] = [(Duration::from_secs(15 * 86_400), 300), (Duration::from_secs(63 * 86_400), 3600)];

/// A job of a function, on a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Series {
    job: String,
    queue: String,
    function: String,
}

/// What is asked about each series.
const ASKED: [(Instrument, &str); 9] = [
    (Instrument::SUCCEEDED, "Sum"),
    (Instrument::RETRIED, "Sum"),
    (Instrument::FAILED, "Sum"),
    (Instrument::DURATION, "p50"),
    (Instrument::DURATION, "p95"),
    (Instrument::DURATION, "p99"),
    (Instrument::QUEUE_LATENCY, "p50"),
    (Instrument::QUEUE_LATENCY, "p95"),
    (Instrument::QUEUE_LATENCY, "p99"),
];

/// The answers to [`ASKED`] in one point.
type Answers = [Option<f64>; ASKED.len()];

/// Makes a client.
pub(crate) async fn client(sdk: &AwsClients) -> Result<Client, StoreError> {
    let mut own = config::Builder::from(sdk.config().await?);
    if let Some(endpoint) = sdk.endpoint_of("AWS_ENDPOINT_URL_CLOUDWATCH") {
        own.set_endpoint_url(Some(endpoint));
    }
    Ok(Client::from_conf(own.build()))
}

impl CloudWatch {
    pub(crate) fn new(sdk: AwsClients, functions: Vec<String>, env: Env) -> Self {
        Self { sdk, client: OnceCell::new(), functions, env }
    }

    async fn client(&self) -> Result<&Client, StoreError> {
        self.client.get_or_try_init(|| client(&self.sdk)).await
    }

    /// The series that a function has written lately.
    async fn series(&self, function: &str, query: &RollupQuery) -> Result<Vec<Series>, StoreError> {
        let filter = |name: &str, value: Option<&str>| {
            DimensionFilter::builder().name(name).set_value(value.map(Into::into)).build()
        };
        let (queue, job) = (query.queue.as_deref(), query.job.as_deref());
        let request = self.client().await?.list_metrics().namespace(Instrument::NAMESPACE);
        let request = request
            .dimensions(filter("Function", Some(function)))
            .dimensions(filter("Queue", queue))
            .dimensions(filter("Job", job));
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, &format!("list the metrics of function {function}")))?;
            for metric in page.metrics.unwrap_or_default() {
                let mut names: HashMap<String, String> = metric
                    .dimensions
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|dimension| Some((dimension.name?, dimension.value?)))
                    .collect();
                if let (Some(job), Some(queue)) = (names.remove("Job"), names.remove("Queue")) {
                    found.push(Series { job, queue, function: function.to_owned() });
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Asks about some series, and adds what comes of it, by series and point.
    async fn ask(
        &self,
        series: &[Series],
        (first, until, step): (Timestamp, Timestamp, u64),
        answers: &mut HashMap<(usize, i64), Answers>,
        offset: usize,
    ) -> Result<(), StoreError> {
        let period = i32::try_from(step.min(LONGEST)).unwrap_or(i32::MAX);
        let mut request = self.client().await?.get_metric_data();
        request = request.start_time(moment(first)).end_time(moment(until));
        for (index, series) in series.iter().enumerate() {
            for (which, (instrument, statistic)) in ASKED.iter().enumerate() {
                request = request.metric_data_queries(question(series, *instrument, statistic, period, (index, which)));
            }
        }
        let mut pages = request.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, "read metrics"))?;
            for result in page.metric_data_results.unwrap_or_default() {
                let failed = matches!(result.status_code, Some(StatusCode::InternalError | StatusCode::Forbidden));
                let Some((index, which)) = result.id.as_deref().and_then(parse).filter(|_| !failed) else {
                    let text = result.messages.unwrap_or_default().into_iter().find_map(|message| message.value);
                    let text = text.unwrap_or_else(|| "it gives no reason".into());
                    return Err(StoreError::unavailable(format_args!("CloudWatch did not answer: {text}")));
                };
                for (at, value) in points(&result) {
                    let point = at.saturating_sub(first.as_second()).max(0) / i64::try_from(step).unwrap_or(i64::MAX);
                    if let Some(answer) = answers.entry((offset + index, point)).or_default().get_mut(which) {
                        let is_sum = ASKED.get(which).is_some_and(|(_, statistic)| *statistic == "Sum");
                        *answer =
                            Some(answer.map_or(value, |known| if is_sum { known + value } else { known.max(value) }));
                    }
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Rollups for CloudWatch {
    async fn read(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let step = query.minutes()? * 60;
        let invalid = |text: String| Err(StoreError::new(StoreErrorKind::Invalid, text));
        if self.functions.is_empty() {
            return invalid(
                "it is not known here whose metrics to read: deploy the stack's template again, which has an output \
                 Functions, or set LAMPLIGHTER_FUNCTIONS to the functions' names"
                    .to_owned(),
            );
        }
        let age = self.env.now().duration_since(query.since);
        for (old, seconds) in KEPT {
            if age >= old.try_into().unwrap_or(age) && step.min(LONGEST) % seconds != 0 {
                let (days, minutes) = (old.as_secs() / 86_400, seconds / 60);
                return invalid(format!(
                    "CloudWatch keeps what is {days} days old by {minutes} minutes; take a multiple"
                ));
            }
        }
        let first = query.since.as_second().div_euclid(60).saturating_mul(60);
        let Ok(first) = Timestamp::from_second(first) else {
            return invalid(format!("{} is too early", query.since));
        };
        // The last minute is whole, and this end is not in it (Amazon CloudWatch API Reference, "GetMetricData").
        let last = first.as_second().saturating_add(i64::try_from(query.length().as_secs()).unwrap_or(i64::MAX));
        let until = Timestamp::from_second(last).unwrap_or(Timestamp::MAX);
        let mut series = Vec::new();
        for function in &self.functions {
            series.extend(self.series(function, query).await?);
        }
        let mut answers = HashMap::new();
        let most = QUERIES / ASKED.len();
        for (number, some) in series.chunks(most).enumerate() {
            self.ask(some, (first, until, step), &mut answers, number * most).await?;
        }
        let mut all: BTreeMap<(String, String), BTreeMap<i64, RollupPoint>> = BTreeMap::new();
        for ((index, point), answers) in answers {
            let (Some(Series { job, queue, .. }), Some(start)) = (series.get(index), start(first, step, point)) else {
                continue;
            };
            let points = all.entry((job.clone(), queue.clone())).or_default();
            add(points.entry(point).or_insert_with(|| RollupPoint::new(start)), answers);
        }
        let rollup = |((job, queue), points): ((String, String), BTreeMap<_, RollupPoint>)| {
            Rollup::new(job, queue, points.into_values().collect())
        };
        Ok(all.into_iter().map(rollup).collect())
    }
}

/// Adds what one function has written. A queue has one function; where a job has moved from one to another, percentiles
/// are those of the slower one.
fn add(point: &mut RollupPoint, answers: Answers) {
    let [succeeded, retried, failed, durations @ .., w50, w95, w99] = answers;
    point.succeeded += count(succeeded);
    point.retried += count(retried);
    point.failed += count(failed);
    let [d50, d95, d99] = durations;
    point.duration = slower(point.duration, percentiles([d50, d95, d99]));
    point.queue_latency = slower(point.queue_latency, percentiles([w50, w95, w99]));
}

fn slower(one: Option<Percentiles>, other: Option<Percentiles>) -> Option<Percentiles> {
    one.into_iter().chain(other).max_by_key(|percentiles| percentiles.p99)
}

fn percentiles([p50, p95, p99]: [Option<f64>; 3]) -> Option<Percentiles> {
    let time = |milliseconds: Option<f64>| Duration::try_from_secs_f64(milliseconds? / 1000.0).ok();
    Some(Percentiles { p50: time(p50)?, p95: time(p95)?, p99: time(p99)? })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates, and a count is whole")]
fn count(sum: Option<f64>) -> u64 {
    sum.unwrap_or_default().round() as u64
}

fn start(first: Timestamp, step: u64, point: i64) -> Option<Timestamp> {
    let after = point.checked_mul(i64::try_from(step).ok()?)?;
    Timestamp::from_second(first.as_second().checked_add(after)?).ok()
}

fn question(
    series: &Series,
    instrument: Instrument,
    statistic: &str,
    period: i32,
    (index, which): (usize, usize),
) -> MetricDataQuery {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder()
        .namespace(Instrument::NAMESPACE)
        .metric_name(instrument.cloudwatch)
        .dimensions(dimension("Function", &series.function))
        .dimensions(dimension("Queue", &series.queue))
        .dimensions(dimension("Job", &series.job))
        .build();
    let statistic = MetricStat::builder().metric(metric).period(period).stat(statistic).build();
    MetricDataQuery::builder().id(format!("s{index}_{which}")).metric_stat(statistic).build()
}

/// The number of a series, and that of what was asked, from a query's id.
fn parse(id: &str) -> Option<(usize, usize)> {
    let (index, which) = id.strip_prefix('s')?.split_once('_')?;
    Some((index.parse().ok()?, which.parse().ok()?))
}

fn points(result: &MetricDataResult) -> impl Iterator<Item = (i64, f64)> {
    result.timestamps().iter().map(DateTime::secs).zip(result.values().iter().copied())
}

fn moment(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

impl fmt::Debug for CloudWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudWatch").field("functions", &self.functions).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_queries_are_numbers_again() {
        assert_eq!(parse("s12_8"), Some((12, 8)));
        for id in ["", "s", "s1", "12_8", "s_", "s1_x"] {
            assert_eq!(parse(id), None, "{id}");
        }
    }

    #[test]
    fn a_point_adds_up_what_functions_have_written() {
        let mut point = RollupPoint::new(Timestamp::UNIX_EPOCH);
        let mut answers = Answers::default();
        (answers[0], answers[2]) = (Some(3.0), Some(1.0));
        (answers[3], answers[4], answers[5]) = (Some(1.5), Some(2.0), Some(4.0));
        add(&mut point, answers);
        answers[5] = Some(9.0);
        add(&mut point, answers);
        assert_eq!((point.succeeded, point.retried, point.failed), (6, 0, 2));
        assert_eq!(point.duration.unwrap().p99, Duration::from_millis(9));
        assert_eq!(point.queue_latency, None);
        assert_eq!(count(Some(f64::NAN)), 0);
        assert_eq!(percentiles([Some(-1.0), Some(1.0), Some(1.0)]), None);
    }
}
