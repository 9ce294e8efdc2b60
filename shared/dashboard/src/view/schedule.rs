//! Schedules.

use std::sync::Arc;

use jiff::Timestamp;
use lamplighter::{
    JobId, JobState, RawValue, Record,
    backend::{ScheduleOrigin, ScheduleRun, ScheduleRunKind, ScheduleStatus},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Part, schema};

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Its name.
    pub schedule: String,
    /// When it fires: a cron expression, a rate or a moment.
    pub when: String,
    /// The time zone of a cron expression.
    pub zone: String,
    /// Whether its definition lets it run.
    pub enabled: bool,
    /// Whether it was paused.
    pub paused: bool,
    /// Whether it is defined in the code or was added at run time.
    #[schema(value_type = String)]
    pub origin: ScheduleOrigin,
    /// The job that it starts.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its next runs.
    #[schema(value_type = Vec<String>)]
    pub next: Vec<Timestamp>,
    /// The job that it started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
}

/// The job that a schedule started last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LastRun {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// Omitted when the record has been deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::state)]
    pub state: Option<JobState>,
    /// When it was enqueued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub at: Option<Timestamp>,
}

impl ScheduleView {
    /// A schedule, and the record of the job that it started last.
    #[must_use]
    pub fn of(status: ScheduleStatus, last: Option<&Record>) -> Self {
        let ScheduleStatus { schedule, job, queue, origin, paused, next, last_run, .. } = status;
        let last = last_run.map(|id| {
            let (state, at) = last.map(|record| (record.state, record.created_at)).unzip();
            LastRun { id, state, at }
        });
        Self {
            when: schedule.when.to_string(),
            schedule: schedule.name,
            zone: schedule.zone,
            enabled: schedule.enabled,
            paused,
            origin,
            job,
            queue,
            description: schedule.description,
            next,
            last,
        }
    }
}

/// One schedule with its runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ScheduleDetail {
    /// The schedule.
    #[serde(flatten)]
    pub schedule: ScheduleView,
    /// The arguments of its job, the sensitive ones hidden, where this program has its definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::json)]
    pub args: Option<Arc<RawValue>>,
    /// Its runs, newest first, at most fifty; those that were missed among them.
    pub runs: Part<Vec<ScheduleRunView>>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

/// A run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScheduleRunView {
    /// The time that it belongs to.
    #[schema(schema_with = schema::moment)]
    pub tick: Timestamp,
    /// The id of the job that it starts.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// Its state, while its record is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::state)]
    pub state: Option<JobState>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub finished_at: Option<Timestamp>,
    /// When its first known attempt began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub started_at: Option<Timestamp>,
    /// What is known of it: `ran`, `missed`, `paused`, `expired` (its record is no longer kept) or `unknown`.
    pub kind: String,
}

impl From<ScheduleRun> for ScheduleRunView {
    fn from(run: ScheduleRun) -> Self {
        let ScheduleRun { tick, id, kind, state, started_at, finished_at, .. } = run;
        let kind = match kind {
            ScheduleRunKind::Ran => "ran",
            ScheduleRunKind::Missed => "missed",
            ScheduleRunKind::Paused => "paused",
            ScheduleRunKind::Expired => "expired",
            _ => "unknown",
        };
        Self { tick, id, state, started_at, finished_at, kind: kind.to_owned() }
    }
}
