//! What was measured.

use jiff::Timestamp;
use lamplighter::meter::{Percentiles, Rollup, RollupPoint};
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// What was measured of a job in some time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StatsView {
    /// The job's name.
    pub job: String,
    /// The queue.
    pub queue: String,
    /// What was measured.
    #[serde(flatten)]
    pub point: PointView,
}

impl StatsView {
    /// One point of a job.
    #[must_use]
    pub fn of(rollup: &Rollup, point: &RollupPoint) -> Self {
        Self { job: rollup.job.clone(), queue: rollup.queue.clone(), point: point.into() }
    }
}

/// What was measured in some minutes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct PointView {
    /// Its first minute.
    #[schema(schema_with = schema::moment)]
    pub start: Timestamp,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Attempts that failed, and whose job is tried again.
    pub retried: u64,
    /// Jobs that failed, and messages that could not run.
    pub failed: u64,
    /// How long handlers took; null where none has ended.
    pub duration: Option<PercentilesView>,
    /// How long jobs waited before their first attempt; null where that is not known.
    pub queue_latency: Option<PercentilesView>,
}

impl From<&RollupPoint> for PointView {
    fn from(point: &RollupPoint) -> Self {
        Self {
            start: point.start,
            succeeded: point.succeeded,
            retried: point.retried,
            failed: point.failed,
            duration: point.duration.map(PercentilesView::from),
            queue_latency: point.queue_latency.map(PercentilesView::from),
        }
    }
}

/// Percentiles of durations, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct PercentilesView {
    /// The median.
    pub p50_ms: f64,
    /// Which 95 of a hundred do not exceed.
    pub p95_ms: f64,
    /// Which 99 of a hundred do not exceed.
    pub p99_ms: f64,
}

impl From<Percentiles> for PercentilesView {
    fn from(of: Percentiles) -> Self {
        // Whole microseconds, so that no digit behind them is shown.
        let milliseconds = |duration: std::time::Duration| duration.as_micros() as f64 / 1000.0;
        Self { p50_ms: milliseconds(of.p50), p95_ms: milliseconds(of.p95), p99_ms: milliseconds(of.p99) }
    }
}
