//! Operations: what operators do.

use std::sync::Arc;

use jiff::Timestamp;
use lamplighter::{JobId, RawValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;
use crate::viewer::ActionKind;

/// An operation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OperationView {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// What is done. In a list, of arguments of more than 4 KiB long values are cut.
    #[schema(value_type = Object)]
    pub action: Arc<RawValue>,
    /// To what.
    #[schema(value_type = Object)]
    pub target: Arc<RawValue>,
    /// The kind of action.
    pub kind: ActionKind,
    /// In a line, for people: `Retry jobs that match state:failed`.
    pub title: String,
    /// Who began it.
    pub by: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    #[schema(schema_with = schema::moment)]
    pub created_at: Timestamp,
    /// How many jobs the preview showed, where that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The most steps a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// `running`, `stopping`, `done`, `stopped` or `failed`.
    pub state: String,
    /// How far it is.
    pub progress: ProgressCount,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub finished_at: Option<Timestamp>,
    /// Since when nobody carries it out, where it has not ended: the process that did has died.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub interrupted_at: Option<Timestamp>,
    /// Who stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// Its first error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// New jobs, at most twenty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub results: Vec<JobId>,
    /// The same as a command. A list leaves out those of more than 4 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Whether something is cut or left out. A list has less than the operation's own resource, and of arguments of more than 64 KiB that
    /// has the beginning too: the new job has them whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub is_shortened: bool,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProgressCount {
    /// Looked at.
    pub done: u64,
    /// Changed.
    pub changed: u64,
    /// Left as they were.
    pub unchanged: u64,
    /// Failed.
    pub failed: u64,
}

/// What an action would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PreviewView {
    /// In a line, for people: `Retries 1,204 jobs, as of 12:03:04 UTC.`.
    pub title: String,
    /// How many jobs, or how many of whatever it is.
    pub jobs: u64,
    /// Whether that is all; else it is at least so many.
    pub is_complete: bool,
    /// The records that were looked at, the newest first, where it may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<u64>,
    /// By job and queue; of very many by queue alone.
    pub by_job: Vec<PreviewCount>,
    /// The action, as it is to be sent.
    #[schema(value_type = Object)]
    pub action: Arc<RawValue>,
    /// The target with its end frozen, as it is to be sent.
    #[schema(value_type = Object)]
    pub target: Arc<RawValue>,
    /// The moment as of which it was counted.
    #[schema(schema_with = schema::moment)]
    pub end: Timestamp,
    /// The same as a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What an action would do to the jobs of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PreviewCount {
    /// The job's name, or `*` for all jobs of the queue.
    pub job: String,
    /// The queue.
    pub queue: String,
    /// How many.
    pub jobs: u64,
}
