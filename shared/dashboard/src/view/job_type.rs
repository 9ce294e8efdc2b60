//! Job types: their definitions, and how they do.

use std::time::Duration;

use jiff::Timestamp;
use lamplighter::{Definition, Retry};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Activity, Part, PercentilesView, schema};

/// The definition of a job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DefinitionView {
    /// Its name.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// Whether that queue keeps its groups' order.
    pub fifo: bool,
    /// Whether records of it are kept.
    pub tracked: bool,
    /// How long an attempt may take.
    pub timeout_secs: f64,
    /// The most attempts.
    pub max_attempts: u32,
    /// The longest wait before each further attempt, in seconds; at most the first eight.
    pub retry_within_secs: Vec<f64>,
    /// How long a record is kept after success.
    pub keep_succeeded_secs: u64,
    /// How long a record is kept after failure.
    pub keep_failed_secs: u64,
    /// The JSON Schema of its arguments.
    #[schema(value_type = Object)]
    pub schema: Value,
}

impl From<&Definition> for DefinitionView {
    fn from(definition: &Definition) -> Self {
        let Definition { name, queue, options, .. } = definition;
        Self {
            job: (*name).to_owned(),
            queue: queue.name().to_owned(),
            fifo: queue.is_fifo(),
            tracked: options.is_tracked(),
            timeout_secs: options.timeout.as_secs_f64(),
            max_attempts: options.retry.max_attempts(),
            retry_within_secs: waits(&options.retry).map(|wait| wait.as_secs_f64()).collect(),
            keep_succeeded_secs: options.retention.succeeded.as_secs(),
            keep_failed_secs: options.retention.failed.as_secs(),
            schema: definition.schema().to_value(),
        }
    }
}

/// The longest wait before each further attempt; the first eight, which show how a policy grows.
fn waits(retry: &Retry) -> impl Iterator<Item = Duration> + '_ {
    (1..retry.max_attempts()).take(8).map(|attempt| retry.ceiling(attempt))
}

/// A job type in a list: its definition, and its last day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TypeView {
    /// Its name.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// Whether this program has its definition.
    pub is_defined: bool,
    /// Its description, from the schema of its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Jobs that succeeded in the last day, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<u64>,
    /// Attempts that failed and are tried again, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried: Option<u64>,
    /// Jobs that failed, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// How long its handler took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<PercentilesView>,
    /// How long its jobs waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_latency: Option<PercentilesView>,
}

/// One job type.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TypeDetail {
    /// Its name, and its last day.
    #[serde(flatten)]
    pub summary: TypeView,
    /// Its definition, if this program has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<DefinitionView>,
    /// The fields of its arguments that are sensitive: forms leave their values out.
    pub sensitive: Vec<String>,
    /// The last day.
    pub activity: Part<Activity>,
    /// The schedules that start it.
    pub schedules: Vec<String>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}
