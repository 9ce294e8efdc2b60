//! Errors in schedules.

use super::{CronError, RateError, WhenError, ZoneError};

/// All problems of one schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule `{schedule}`: {}", joined(.problems))]
pub struct ScheduleError {
    /// The schedule's name.
    pub schedule: String,
    /// Every problem found, at least one.
    pub problems: Vec<ScheduleProblem>,
}

/// One problem of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleProblem {
    /// EventBridge's limit for the names of rules and of schedules (API references of PutRule and CreateSchedule),
    /// kept on every backend.
    #[error("the name must be 1-64 characters out of letters, digits and `_.-`")]
    Name,
    /// EventBridge's limit for descriptions (the same references).
    #[error("the description has {length} characters; at most 512 are allowed")]
    Description {
        /// Its length in characters.
        length: usize,
    },
    /// The time zone cannot be used.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// The cron expression is wrong, or AWS cannot express it.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// The rate is wrong, or AWS cannot express it.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// A single moment that AWS cannot express.
    #[error("the moment must be in the years 1970 to 9999")]
    At,
    /// A cron expression in a zone that Azure's timers do not know.
    #[error("it is in the zone {zone}, and Azure's timers read NCRONTAB in UTC; write its times in UTC")]
    NotUtc {
        /// The zone.
        zone: String,
    },
    /// A single moment, which NCRONTAB cannot express.
    #[error("it is one moment, and NCRONTAB only repeats; enqueue the job with a delay instead")]
    Once,
    /// The arguments of the job that it starts cannot be written as JSON.
    #[error("the arguments of {job} cannot be written as JSON: {reason}")]
    Arguments {
        /// The job's name.
        job: String,
        /// The problem.
        reason: String,
    },
    /// The arguments do not fit the job that it starts.
    #[error("the arguments do not fit {job}: {reason}")]
    Misfit {
        /// The job's name.
        job: String,
        /// The problem.
        reason: String,
    },
    /// A text that is not a single moment.
    #[error("{0}")]
    When(WhenError),
}

impl From<WhenError> for ScheduleProblem {
    fn from(error: WhenError) -> Self {
        match error {
            WhenError::Cron(error) => Self::Cron(error),
            WhenError::Rate(error) => Self::Rate(error),
            WhenError::At { .. } => Self::When(error),
        }
    }
}

impl ScheduleError {
    pub(super) fn one(schedule: &str, problem: impl Into<ScheduleProblem>) -> Self {
        Self { schedule: schedule.into(), problems: vec![problem.into()] }
    }
}

fn joined(problems: &[ScheduleProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
