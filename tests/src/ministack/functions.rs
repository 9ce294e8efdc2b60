//! Calls functions, and reads their logs.

use hyper::{Request, Response, header};
use serde_json::{Value, json};

use super::MiniStack;
use super::error::{Error, Result};

/// The answer of a function to a direct call.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// "Handled" or "Unhandled" when the function failed.
    pub error: Option<String>,
    /// The answer, or the description of the error.
    pub payload: Value,
}

impl MiniStack {
    /// Calls a function directly and waits for its answer.
    ///
    /// # Errors
    /// When the emulator refuses the call. A function that fails returns an [`Invocation`] with its error.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Invocation> {
        let failed = |reason: String| Error::Request { what: format!("invoking function `{function}`"), reason };
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(event.to_string().into_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let answer = self.request_as_root("lambda", request).await?;
        let error = answer
            .headers()
            .get("x-amz-function-error")
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let payload = match answer.body().as_slice() {
            [] => Value::Null,
            body => serde_json::from_slice(body).map_err(|error| failed(error.to_string()))?,
        };
        Ok(Invocation { error, payload })
    }

    /// Sends a request to a function's URL; `url` is the template's output for it.
    ///
    /// # Errors
    /// When the emulator does not answer; any HTTP status is an answer.
    pub async fn request_url(&self, url: &str, mut request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
        let host = url.trim_start_matches("https://").trim_start_matches("http://").split(['/', ':']).next();
        let host = header::HeaderValue::from_str(host.unwrap_or_default())
            .map_err(|error| Error::Request { what: format!("requesting {url}"), reason: error.to_string() })?;
        request.headers_mut().insert(header::HOST, host);
        self.request(request).await
    }

    /// Returns the log of a function, line by line, oldest first; empty until it has run.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub async fn function_log(&self, function: &str) -> Result<Vec<String>> {
        let failed =
            |reason: String| Error::Request { what: format!("reading the log of function `{function}`"), reason };
        let mut lines = Vec::new();
        let mut next = Value::Null;
        loop {
            let mut question = json!({ "logGroupName": format!("/aws/lambda/{function}") });
            if next.is_string() {
                question["nextToken"] = next;
            }
            let request = Request::post("/")
                .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
                .header("x-amz-target", "Logs_20140328.FilterLogEvents")
                .body(question.to_string().into_bytes())
                .map_err(|error| failed(error.to_string()))?;
            let answer = match self.request_as_root("logs", request).await {
                Err(Error::Request { reason, .. }) if reason.contains("ResourceNotFoundException") => {
                    return Ok(lines);
                }
                answer => answer?,
            };
            let answer: Value = serde_json::from_slice(answer.body()).map_err(|error| failed(error.to_string()))?;
            let events = answer["events"].as_array().into_iter().flatten();
            lines.extend(events.filter_map(|event| event["message"].as_str()).map(|line| line.trim_end().to_owned()));
            next = answer["nextToken"].clone();
            if !next.is_string() {
                return Ok(lines);
            }
        }
    }
}
