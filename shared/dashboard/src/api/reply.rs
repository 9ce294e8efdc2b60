//! Answers, and bodies of requests.

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    http::{check_json, read},
    problem::Problem,
};

/// An answer in JSON.
pub(super) struct Reply<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], body).into_response()
            }
            Err(error) => Problem::unavailable(format!("The answer could not be written: {error}.")).into_response(),
        }
    }
}

/// A request's body in JSON.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_json(request.headers())?;
        let body = read(request.into_body()).await?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let detail = format!("The body does not fit: {error}.");
            if error.is_data() { Problem::unfit(detail) } else { Problem::invalid(detail) }
        })
    }
}
