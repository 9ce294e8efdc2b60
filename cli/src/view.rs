//! A record as `--json` shows it. These field names are an interface: scripts rely on them.

use jiff::Timestamp;
use lamplighter::{
    JobId, JobState, RawValue, Record,
    meter::{Rollup, RollupPoint},
    record::{Attempt, AttemptOutcome, ErrorGroup, ErrorNote, ErrorText, Fingerprint, Progress},
};
use serde::Serialize;

use crate::when;

/// One job.
#[derive(Debug, Serialize)]
pub(crate) struct JobView<'a> {
    id: &'a JobId,
    job: &'a str,
    queue: &'a str,
    state: JobState,
    /// The attempts of its present run.
    attempt: u32,
    created_at: Timestamp,
    due_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    /// Why it was cancelled, unless by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<&'a JobId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
    args: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a RawValue>,
    /// The error of the latest attempt that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorText>,
    attempts: Vec<AttemptView<'a>>,
}

/// One attempt that has ended.
#[derive(Debug, Serialize)]
struct AttemptView<'a> {
    #[serde(flatten)]
    attempt: &'a Attempt,
    duration_ms: u128,
}

/// One group of failed attempts.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorView<'a> {
    fingerprint: Fingerprint,
    job: &'a str,
    queue: &'a str,
    outcome: AttemptOutcome,
    title: &'a str,
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// Failed attempts.
    failures: u64,
    /// The number of jobs with one, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<u64>,
    /// The id of the latest job, and its error.
    sample: &'a JobId,
    message: &'a str,
    /// What a person has written about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a ErrorNote>,
    /// Of one group: the latest jobs whose last attempt has failed so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recent: Vec<JobView<'a>>,
}

impl<'a> ErrorView<'a> {
    /// A group, and its latest jobs.
    pub(crate) fn of(group: &'a ErrorGroup, recent: &'a [Record]) -> Self {
        Self {
            fingerprint: group.fingerprint,
            job: &group.job,
            queue: &group.queue,
            outcome: group.outcome,
            title: &group.title,
            first_seen: group.first_seen,
            last_seen: group.last_seen,
            failures: group.failures,
            jobs: group.jobs,
            sample: &group.sample.id,
            message: &group.sample.message,
            note: group.note.as_ref(),
            recent: recent.iter().map(JobView::from).collect(),
        }
    }
}

/// What was measured of a job in some time, as JSON.
#[derive(Debug, Serialize)]
pub(crate) struct StatsView<'a> {
    job: &'a str,
    queue: &'a str,
    #[serde(flatten)]
    point: &'a RollupPoint,
}

impl<'a> StatsView<'a> {
    /// One point of a job.
    pub(crate) const fn of(rollup: &'a Rollup, point: &'a RollupPoint) -> Self {
        Self { job: rollup.job.as_str(), queue: rollup.queue.as_str(), point }
    }
}

impl<'a> From<&'a Record> for JobView<'a> {
    fn from(record: &'a Record) -> Self {
        let attempts = record.attempts.iter();
        Self {
            id: &record.id,
            job: &record.message.job,
            queue: &record.queue,
            state: record.state,
            attempt: record.attempt,
            created_at: record.created_at,
            due_at: record.due_at,
            started_at: record.started_at,
            finished_at: record.finished_at,
            reason: record.reason.as_deref(),
            schedule: record.message.schedule.as_deref(),
            parent: record.message.parent.as_ref(),
            batch: record.message.batch.as_ref().map(|batch| &batch.id),
            tags: record.message.tags.iter().collect(),
            args: &record.message.args,
            progress: record.progress,
            output: record.output.as_deref(),
            error: record.last_error(),
            attempts: attempts
                .map(|attempt| AttemptView {
                    attempt,
                    duration_ms: when::between(attempt.started_at, attempt.ended_at).as_millis(),
                })
                .collect(),
        }
    }
}
