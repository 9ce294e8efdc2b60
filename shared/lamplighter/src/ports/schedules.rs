//! The schedules of a backend.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{EnqueueError, StoreError};
use crate::{
    id::JobId,
    message::InvalidMessage,
    schedule::{Schedule, ScheduleError},
    scheduled::ScheduledJob,
};

/// Stores schedules: those of a deployment, which can be paused and triggered, and those created at run time, which can
/// also be replaced and removed, and which a deployment does not touch.
#[async_trait]
pub trait Schedules: Send + Sync + 'static {
    /// Stores a schedule that is created at run time, and replaces one of that name. A paused one stays paused.
    async fn put(&self, scheduled: ScheduledJob) -> Result<(), SchedulingError>;

    /// Removes a schedule that was created at run time. Jobs that it has started remain.
    async fn remove(&self, name: &str) -> Result<(), SchedulingError>;

    /// Pauses or resumes a schedule. Ticks during a pause are not made up for.
    async fn pause(&self, name: &str, paused: bool) -> Result<(), SchedulingError>;

    /// Starts a schedule's job at a moment that is now, in addition to its own times, and returns its id:
    /// `<schedule>@<moment, in seconds>`. Twice at one moment is one job. A paused schedule can be triggered too.
    async fn trigger(&self, name: &str, at: Timestamp) -> Result<JobId, SchedulingError>;

    /// One schedule, with the job that it starts.
    async fn find(&self, name: &str) -> Result<FoundSchedule, SchedulingError>;

    /// All schedules, by name.
    async fn list(&self) -> Result<Vec<ScheduleStatus>, SchedulingError>;
}

/// A schedule, with the job that it starts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoundSchedule {
    /// The schedule and its job.
    pub scheduled: ScheduledJob,
    /// Whether it was paused, or deployed disabled.
    pub paused: bool,
}

impl FoundSchedule {
    /// This one.
    #[must_use]
    pub const fn new(scheduled: ScheduledJob, paused: bool) -> Self {
        Self { scheduled, paused }
    }
}

/// The origin of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleOrigin {
    /// The code: a deployment adds it, and a deployment removes it.
    Deployed,
    /// A call of [`Client::schedule`](crate::Client::schedule).
    RunTime,
}

/// A schedule as a backend knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScheduleStatus {
    /// When, and what happens to missed runs.
    pub schedule: Schedule,
    /// The job that it starts.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// Its origin.
    pub origin: ScheduleOrigin,
    /// Whether it was paused. On AWS, one that was deployed disabled counts as paused.
    pub paused: bool,
    /// Its next runs, at most [`Self::AHEAD`]; none when it is paused, disabled or over, or in a time zone that this
    /// program cannot look up.
    pub next: Vec<Timestamp>,
    /// The job that it started last, if the backend knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<JobId>,
}

impl ScheduleStatus {
    /// The number of next runs that are listed.
    pub const AHEAD: usize = 5;

    /// The status of a schedule at `now`.
    #[must_use]
    pub fn new(scheduled: &ScheduledJob, origin: ScheduleOrigin, paused: bool, now: Timestamp) -> Self {
        let schedule = scheduled.schedule.clone();
        let mut next = Vec::new();
        if schedule.enabled && !paused {
            let ticks = schedule.ticks_between(now, Timestamp::MAX);
            next.extend(ticks.into_iter().flatten().take(Self::AHEAD));
        }
        let (job, queue) = (scheduled.job.to_string(), scheduled.queue.to_string());
        Self { schedule, job, queue, origin, paused, next, last_run: None }
    }

    /// With the job that it started last.
    #[must_use]
    pub fn last_run(mut self, id: Option<JobId>) -> Self {
        self.last_run = id;
        self
    }
}

/// Why a call on a schedule failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SchedulingError {
    /// The schedule is invalid, or the backend cannot express it.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The job that it starts is invalid.
    #[error("schedule `{schedule}` cannot start {job}: {reason}")]
    Job {
        /// The schedule's name.
        schedule: String,
        /// The job's.
        job: String,
        /// Why not.
        reason: String,
    },
    /// All of its times have passed.
    #[error("schedule `{0}` would never run: all of its times have passed; give it one in the future")]
    Over(String),
    /// There is no such schedule.
    #[error("there is no schedule `{0}` here; those of the code exist once they are deployed, or an engine has run")]
    Unknown(String),
    /// It is deployed with the code.
    #[error(
        "schedule `{0}` is deployed with the code, so it can be paused, resumed and triggered, but not replaced or removed \
         here; change the code, or choose another name"
    )]
    Deployed(String),
    /// A handler used schedules, and its function does not declare it.
    #[error("function {0:?} does not say that its handlers use schedules; add .schedules() to it")]
    Undeclared(String),
    /// Its job could not be started.
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] StoreError),
}

impl SchedulingError {
    /// The job of a schedule does not fit a message.
    #[must_use]
    pub fn job(scheduled: &ScheduledJob, error: &InvalidMessage) -> Self {
        let (schedule, job) = (scheduled.schedule.name.clone(), scheduled.job.to_string());
        Self::Job { schedule, job, reason: error.to_string() }
    }
}
