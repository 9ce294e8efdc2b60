//! Operations: what operators do.

use jiff::Timestamp;
use lamplighter::JobId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::schema;
use crate::viewer::ActionKind;

/// An operation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct OperationView {
    /// Its id.
    #[schema(schema_with = schema::id)]
    pub id: JobId,
    /// What is done.
    #[schema(value_type = Object)]
    pub action: Value,
    /// To what.
    #[schema(value_type = Object)]
    pub target: Value,
    /// The kind of action.
    pub kind: ActionKind,
    /// In a line, for people: `retry jobs with state:failed`.
    pub title: String,
    /// Who began it.
    pub by: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    #[schema(schema_with = schema::moment)]
    pub created_at: Timestamp,
    /// How many jobs the preview showed.
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
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// New jobs, at most twenty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub results: Vec<JobId>,
    /// The same as a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

impl OperationView {
    /// Whether it goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(&*self.state, "running" | "stopping")
    }
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
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PreviewView {
    /// In a line, for people: `retries 1,204 jobs as of 12:03:04`.
    pub title: String,
    /// How many jobs, or how many of whatever it is.
    pub jobs: u64,
    /// Whether that is all; else it is at least so many.
    pub is_complete: bool,
    /// By job and queue.
    pub by_job: Vec<PreviewCount>,
    /// The action, as it is to be sent.
    #[schema(value_type = Object)]
    pub action: Value,
    /// The target with its end frozen, as it is to be sent.
    #[schema(value_type = Object)]
    pub target: Value,
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
    /// The job's name.
    pub job: String,
    /// The queue.
    pub queue: String,
    /// How many.
    pub jobs: u64,
}
