//! What a worker measures, a batch at a time, and what that adds up to.

mod histogram;
mod rollup;

use std::{sync::Arc, time::Duration};

pub use self::{
    histogram::Histogram,
    rollup::{Percentiles, Rollup, RollupPoint, RollupQuery},
};

use crate::id::JobId;

/// Takes a worker's measurements: see [`Backend::with_meter`](crate::backend::Backend::with_meter).
pub trait Meter: Send + Sync + 'static {
    /// Called once for each batch, when its last answer is given. It must not block.
    fn record(&self, batch: &Measurements);
}

/// The measurements of one batch of deliveries.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Measurements {
    /// How many deliveries it had.
    pub deliveries: usize,
    /// How long it took, from its receipt to its last answer.
    pub took: Duration,
    /// How long it might have taken.
    pub budget: Duration,
    /// What each delivery with a result came to. One that is to come again without having run has none: its job was busy,
    /// waits for a limit, or could not be claimed.
    pub runs: Vec<Run>,
}

/// One delivery that ran, or that was dead-lettered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Run {
    /// The job's id; `None` for a message that is no job's.
    pub id: Option<JobId>,
    /// The job's name; [`Run::UNKNOWN`] for a message that names no job of this function, so that no sender makes up names.
    pub job: &'static str,
    /// The queue that carried it.
    pub queue: Arc<str>,
    /// How it ended.
    pub end: RunEnd,
    /// Whether its message went to the dead-letter queue.
    pub dead_lettered: bool,
    /// The attempt, from 1; 0 when no handler ran.
    pub attempt: u32,
    /// How long the handler took; `None` when none ran.
    pub took: Option<Duration>,
    /// How long the job waited from when it was due, where that is known: for first attempts of jobs that waited for no
    /// others.
    pub waited: Option<Duration>,
}

impl Run {
    /// A run that says nothing more: no handler ran.
    #[must_use]
    pub fn new(job: &'static str, queue: impl Into<Arc<str>>, end: RunEnd) -> Self {
        Self { id: None, job, queue: queue.into(), end, dead_lettered: false, attempt: 0, took: None, waited: None }
    }

    /// The job's name where it is none of this function's.
    pub const UNKNOWN: &'static str = "unknown";
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RunEnd {
    /// It succeeded.
    Succeeded,
    /// The attempt failed, and the job is tried again.
    Retried,
    /// The job has failed.
    Failed,
    /// It goes on from a checkpoint.
    Continued,
    /// It was put back, uncounted: snoozed, or handed back by a stopping host.
    Released,
    /// Its lease was lost, so that its outcome does not count.
    Lost,
}

impl RunEnd {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Succeeded, Self::Retried, Self::Failed, Self::Continued, Self::Released, Self::Lost];

    /// Its name: `succeeded`, `retried`, `failed`, `continued`, `released` or `lost`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Continued => "continued",
            Self::Released => "released",
            Self::Lost => "lost",
        }
    }
}

/// One of the metrics that are made from [`Measurements`], under its name on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instrument {
    /// Its name in CloudWatch, in the namespace [`Instrument::NAMESPACE`].
    pub cloudwatch: &'static str,
    /// Its unit there.
    pub cloudwatch_unit: &'static str,
    /// Its name in Prometheus.
    pub prometheus: &'static str,
    /// Its unit there, which is also the end of the name; empty for a count.
    pub prometheus_unit: &'static str,
    /// Whether it has a value for each job and queue; otherwise one for the function.
    pub is_by_job: bool,
    /// What it says, in one sentence.
    pub meaning: &'static str,
}

macro_rules! instruments {
    ($($name:ident = $cloudwatch:literal, $unit:literal, $prometheus:literal, $prometheus_unit:literal, $by_job:literal,
        $meaning:literal;)*) => {
        impl Instrument {
            $(
                #[doc = $meaning]
                pub const $name: Self = Self {
                    cloudwatch: $cloudwatch,
                    cloudwatch_unit: $unit,
                    prometheus: $prometheus,
                    prometheus_unit: $prometheus_unit,
                    is_by_job: $by_job,
                    meaning: $meaning,
                };
            )*

            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

instruments! {
    STARTED = "Started", "Count", "lamplighter_started_total", "", true,
        "Attempts whose handler began.";
    SUCCEEDED = "Succeeded", "Count", "lamplighter_succeeded_total", "", true,
        "Jobs that succeeded.";
    RETRIED = "Retried", "Count", "lamplighter_retried_total", "", true,
        "Attempts that failed, and whose job is tried again.";
    FAILED = "Failed", "Count", "lamplighter_failed_total", "", true,
        "Jobs that failed, and messages that could not run.";
    CONTINUED = "Continued", "Count", "lamplighter_continued_total", "", true,
        "Attempts whose job goes on from a checkpoint.";
    RELEASED = "Released", "Count", "lamplighter_released_total", "", true,
        "Jobs that were put back, uncounted: snoozed, or handed back by a stopping host.";
    LOST = "Lost", "Count", "lamplighter_lost_total", "", true,
        "Attempts that ended after they had lost their lease, so that their outcome does not count.";
    DEAD_LETTERED = "DeadLettered", "Count", "lamplighter_dead_lettered_total", "", true,
        "Messages that went to the dead-letter queue.";
    DURATION = "Duration", "Milliseconds", "lamplighter_duration_seconds", "seconds", true,
        "How long handlers took.";
    QUEUE_LATENCY = "QueueLatency", "Milliseconds", "lamplighter_queue_latency_seconds", "seconds", true,
        "How long jobs waited before their first attempt, from when they were due.";
    ATTEMPTS = "AttemptsPerSuccess", "Count", "lamplighter_attempts_per_success", "", true,
        "Attempts that a job needed to succeed.";
    BATCH_SIZE = "BatchSize", "Count", "lamplighter_batch_size", "", false,
        "Deliveries of a batch.";
    DEADLINE_USED = "DeadlineUsed", "Percent", "lamplighter_deadline_used_ratio", "ratio", false,
        "The part of the time until its deadline that a batch took.";
}

impl Instrument {
    /// The namespace of the metrics in CloudWatch.
    pub const NAMESPACE: &'static str = "Lamplighter";

    /// The counter of an end.
    #[must_use]
    pub const fn of_end(end: RunEnd) -> Self {
        match end {
            RunEnd::Succeeded => Self::SUCCEEDED,
            RunEnd::Retried => Self::RETRIED,
            RunEnd::Failed => Self::FAILED,
            RunEnd::Continued => Self::CONTINUED,
            RunEnd::Released => Self::RELEASED,
            RunEnd::Lost => Self::LOST,
        }
    }
}
