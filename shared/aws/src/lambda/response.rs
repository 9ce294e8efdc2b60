//! Responses to Lambda.

use serde::Serialize;
use serde_json::value::RawValue;

use super::about::About;

/// A response to Lambda.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To an SQS batch: the messages to deliver again. All others are deleted.
    Batch {
        /// The messages, each once. Empty when all of them are done.
        #[serde(rename = "batchItemFailures")]
        failures: Vec<ItemFailure>,
    },
    /// To an event: its jobs.
    Event {
        /// The jobs, all of them done.
        jobs: Vec<JobResponse>,
    },
    /// To a message: its job.
    Job(JobResponse),
    /// To a request for a description of the code.
    About(About),
}

/// A message to deliver again (AWS Lambda Developer Guide, "Reporting batch item failures").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemFailure {
    /// The message's id. An id that is empty or not in the batch would fail the whole batch.
    #[serde(rename = "itemIdentifier")]
    pub item_identifier: String,
}

/// A job that was passed directly, and is done.
#[derive(Debug, Serialize)]
pub struct JobResponse {
    /// The job's id.
    pub id: String,
    /// `succeeded`; or `ended`, if nothing ran because the job had ended before, or had expired.
    pub state: &'static str,
    /// The handler's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
}
