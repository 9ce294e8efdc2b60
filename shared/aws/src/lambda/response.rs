//! What Lambda is answered.

use serde::Serialize;
use serde_json::value::RawValue;

use super::about::About;

/// What Lambda is answered.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To an SQS batch: the messages that must come again. All others are deleted.
    Batch {
        /// The messages, each once. None at all when every one is done with.
        #[serde(rename = "batchItemFailures")]
        failures: Vec<ItemFailure>,
    },
    /// To an event: the jobs it became.
    Event {
        /// The jobs, all of them done.
        jobs: Vec<JobResponse>,
    },
    /// To a message: its job.
    Job(JobResponse),
    /// To the question what code this is.
    About(About),
}

/// A message that must come again (AWS Lambda Developer Guide, "Reporting batch item failures").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// The message's id. One that is empty or not of the batch would fail the whole batch.
    #[serde(rename = "itemIdentifier")]
    pub item_identifier: String,
}

/// A job that was handed over directly, and is done.
#[derive(Debug, Serialize)]
pub struct JobResponse {
    /// The job's id.
    pub id: String,
    /// `succeeded`; or `ended`, when nothing was run because the job had ended before, or had expired.
    pub state: &'static str,
    /// What the handler returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
}
