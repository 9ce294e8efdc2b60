//! What can be done.

use axum::extract::{Path, Query};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{
    parameters::Counting,
    reply::{Json, Reply},
};
use crate::{
    desk::{Desk, OperationRequest},
    problem::{Problem, ProblemBody},
    view::{OperationView, PreviewView},
};

const KEY: &str = "idempotency-key";

/// What an operation would do. Nothing is changed.
///
/// At most 2,000 records are looked at, and the answer says where there may be more; `count=all` counts them all, for a minute at
/// most.
#[utoipa::path(post, path = "/operations/preview", tag = "operations", request_body = OperationRequest,
    params(Counting), responses(
    (status = 200, description = "What it would do, with its action and target as they are to be sent.", body = PreviewView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn preview(
    desk: Desk,
    Query(counting): Query<Counting>,
    Json(request): Json<OperationRequest>,
) -> Result<Reply<PreviewView>, Problem> {
    match counting.is_all() {
        true => desk.preview_all(&request).await,
        false => desk.preview(&request).await,
    }
    .map(Reply)
}

/// Begins an operation. The same request under the same key is one operation, however often it is sent.
#[utoipa::path(post, path = "/operations", tag = "operations", request_body = OperationRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "A text that is new for each operation.",
        max_length = 200)),
    responses(
    (status = 202, description = "The operation, which goes on by itself.", body = OperationView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn begin(
    desk: Desk,
    headers: HeaderMap,
    Json(request): Json<OperationRequest>,
) -> Result<(StatusCode, HeaderMap, Reply<OperationView>), Problem> {
    let key = key_of(&headers)?;
    let operation = desk.act(&request, key).await?;
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::from_str(&format!("operations/{}", operation.id)) {
        headers.insert(header::LOCATION, location);
    }
    Ok((StatusCode::ACCEPTED, headers, Reply(operation)))
}

fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().map(Some);
    key.map_err(|_| Problem::parameter("Idempotency-Key", "An idempotency key is ASCII."))
}

/// Stops an operation. What it has done stays done.
#[utoipa::path(post, path = "/operations/{id}/stop", tag = "operations",
    params(("id" = String, Path, description = "Its id.")), responses(
    (status = 200, description = "The operation.", body = OperationView),
    (status = "default", description = "A problem.", body = ProblemBody, content_type = "application/problem+json"),
))]
pub(super) async fn stop(desk: Desk, Path(id): Path<String>) -> Result<Reply<OperationView>, Problem> {
    desk.stop(&id).await.map(Reply)
}
