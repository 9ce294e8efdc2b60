//! Error groups.

use jiff::Timestamp;
use lamplighter::{
    JobId, Record,
    record::{AttemptOutcome, ErrorGroup, ErrorNote, Fingerprint},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{JobView, schema};

/// One group of failed attempts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorView {
    /// Its fingerprint.
    #[schema(schema_with = schema::fingerprint)]
    pub fingerprint: Fingerprint,
    /// The name of its jobs.
    pub job: String,
    /// The queue of its latest failure.
    pub queue: String,
    /// How its attempts ended.
    #[schema(schema_with = schema::outcome)]
    pub outcome: AttemptOutcome,
    /// What its errors have in common.
    pub title: String,
    /// The first failure.
    #[schema(schema_with = schema::moment)]
    pub first_seen: Timestamp,
    /// The latest one.
    #[schema(schema_with = schema::moment)]
    pub last_seen: Timestamp,
    /// Failed attempts.
    pub failures: u64,
    /// The number of jobs with one, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u64>,
    /// The id of the latest job.
    #[schema(schema_with = schema::id)]
    pub sample: JobId,
    /// Its error.
    pub message: String,
    /// What an operator wrote about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteView>,
    /// Of one group: the latest jobs whose last attempt has failed so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<JobView>,
}

impl ErrorView {
    /// A group, and its latest jobs.
    #[must_use]
    pub fn of(group: &ErrorGroup, recent: &[Record]) -> Self {
        Self {
            fingerprint: group.fingerprint,
            job: group.job.clone(),
            queue: group.queue.clone(),
            outcome: group.outcome,
            title: group.title.clone(),
            first_seen: group.first_seen,
            last_seen: group.last_seen,
            failures: group.failures,
            jobs: group.jobs,
            sample: group.sample.id.clone(),
            message: group.sample.message.clone(),
            note: group.note.as_ref().map(NoteView::from),
            recent: recent.iter().map(JobView::listed).collect(),
        }
    }
}

/// What an operator wrote about a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct NoteView {
    /// The note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Until when the group counts as known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub muted_until: Option<Timestamp>,
    /// Who wrote it.
    pub by: String,
    /// When.
    #[schema(schema_with = schema::moment)]
    pub at: Timestamp,
}

impl From<&ErrorNote> for NoteView {
    fn from(note: &ErrorNote) -> Self {
        let ErrorNote { note, muted_until, by, at } = note.clone();
        Self { note, muted_until, by, at }
    }
}

/// One group with its trend.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// The group, with its latest jobs.
    #[serde(flatten)]
    pub group: ErrorView,
    /// The failures of its job in the last day, as workers measured them: those of all of the job's errors.
    pub trend: super::Part<super::Activity>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}
