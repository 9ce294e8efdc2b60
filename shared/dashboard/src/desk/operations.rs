//! What operators do.

use lamplighter::RawValue;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Desk, job_id};
use crate::{
    api::bodies::{ActionBody, TargetBody},
    problem::Problem,
    view::{OperationView, Page, PreviewView},
};

/// A request for an operation, or for its preview.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// What is done: `{"kind": "retry"}`.
    #[schema(value_type = ActionBody)]
    pub action: Box<RawValue>,
    /// To what: `{"kind": "query", "query": "state:failed job:webhook.*"}`.
    #[schema(value_type = TargetBody)]
    pub target: Box<RawValue>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many jobs the preview showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The most steps a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
}

fn not_kept() -> Problem {
    Problem::not_kept("This backend keeps no operations.")
}

impl Desk {
    /// Operations, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn operations(&self, cursor: Option<&str>, limit: usize) -> Result<Page<OperationView>, Problem> {
        let _ = (cursor, limit);
        Err(not_kept())
    }

    /// One operation.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn operation(&self, id: &str) -> Result<OperationView, Problem> {
        job_id("operation", id)?;
        Err(not_kept())
    }

    /// What an operation would do.
    ///
    /// # Errors
    /// When it makes no sense, or the viewer may not do it.
    pub async fn preview(&self, request: &OperationRequest) -> Result<PreviewView, Problem> {
        let _ = request;
        Err(not_kept())
    }

    /// Begins an operation. The same request under the same key is one operation.
    ///
    /// # Errors
    /// As for [`preview`](Self::preview), and when the key was used for something else.
    pub async fn act(&self, request: &OperationRequest, key: Option<&str>) -> Result<OperationView, Problem> {
        let _ = (request, key);
        Err(not_kept())
    }

    /// Stops an operation. What it has done stays.
    ///
    /// # Errors
    /// When there is none, or the viewer may not do what it does.
    pub async fn stop(&self, id: &str) -> Result<OperationView, Problem> {
        job_id("operation", id)?;
        Err(not_kept())
    }
}
