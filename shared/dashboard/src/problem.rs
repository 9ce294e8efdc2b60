//! Why a request was not answered as asked: RFC 9457, `application/problem+json`, or a page that says the same.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lamplighter::backend::{SchedulingError, StoreError, StoreErrorKind};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// The status of the response.
    pub status: StatusCode,
    /// A word for programs: `not-found`.
    pub code: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The parameter that is wrong, if it is one.
    pub parameter: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into(), parameter: None }
    }

    /// There is nothing of this kind and name, or nothing that the viewer may know of.
    pub fn not_found(kind: &str, name: &str) -> Self {
        let name: String = name.chars().take(200).collect();
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", format!("There is no {kind} {name:?}."))
    }

    /// The address leads nowhere.
    pub(crate) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is nothing at this address.")
    }

    /// The viewer may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// Nobody is signed in.
    pub fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first", detail)
    }

    /// The request makes no sense.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "Invalid request", detail)
    }

    /// A parameter makes no sense.
    pub fn parameter(parameter: &'static str, detail: impl Into<String>) -> Self {
        Self { parameter: Some(parameter), ..Self::invalid(detail) }
    }

    /// The content does not fit, though it is well formed.
    pub fn unfit(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit", "This does not fit", detail)
    }

    /// The arguments do not fit the job.
    pub(crate) fn arguments(detail: impl Into<String>) -> Self {
        Self { parameter: Some("action.args"), ..Self::unfit(detail) }
    }

    /// It contradicts what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It is otherwise by now", detail)
    }

    /// This place does not keep such things.
    pub fn not_kept(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not-kept", "Not kept here", detail)
    }

    /// The backend does not answer.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now", detail)
    }

    pub(crate) fn of_status(status: StatusCode, code: &'static str, title: &'static str, detail: &str) -> Self {
        Self::new(status, code, title, detail)
    }

    /// As JSON.
    #[must_use]
    pub fn body(&self) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:lamplighter:problem:{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            parameter: self.parameter.map(str::to_owned),
        }
    }
}

/// The body of a problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemBody {
    /// The kind, which ends with a word for programs.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wrong, in a few words.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The parameter that is wrong, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Unavailable => Self::unavailable(error.to_string()),
            StoreErrorKind::Denied => Self::new(
                StatusCode::BAD_GATEWAY,
                "denied",
                "The backend refuses",
                format!("The dashboard's own credentials do not suffice: {error}"),
            ),
            StoreErrorKind::Broken => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", "The store cannot be used", error.to_string())
            }
            StoreErrorKind::Invalid => Self::invalid(error.to_string()),
        }
    }
}

impl From<SchedulingError> for Problem {
    fn from(error: SchedulingError) -> Self {
        match error {
            SchedulingError::Backend(error) => error.into(),
            SchedulingError::Unknown(name) => Self::not_found("schedule", &name),
            other => Self::unfit(other.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, json)], body).into_response();
        // What answers browsers makes a page of it.
        response.extensions_mut().insert(self);
        response
    }
}
