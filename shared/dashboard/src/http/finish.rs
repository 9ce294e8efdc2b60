//! The outermost layer: what all answers have in common.

use std::{fmt::Write, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use sha2::{Digest, Sha256};

use super::{
    chrome::Chrome,
    gate::{Gate, wants_page},
};
use crate::{pages, problem::Problem};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers of all answers. The referrer stays within the site: with none, browsers send forms without their origin.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The largest answer that gets a tag.
const MOST_TAGGED: usize = 16 << 20;

/// Checks the host, and gives each answer its headers: problems as pages for browsers, a tag by which the same is not sent twice.
pub(crate) async fn finish(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let is_page = wants_page(request.uri().path(), request.headers());
    let method = request.method().clone();
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = match gate.hosts.check_host(request.headers(), request.uri()) {
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let response = described(response).await;
    let response = if is_page { as_page(response) } else { response };
    // The body of an answer to HEAD is left out after this.
    let is_read = method == Method::GET || method == Method::HEAD;
    let mut response = match is_read && response.status() == StatusCode::OK {
        true => tagged(response, known.as_ref()).await,
        false => response,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if gate.hosts.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    // What shows data is nowhere kept.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Makes a problem of an error that has none: of a path that leads nowhere, of a parameter that cannot be read.
async fn described(response: Response) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) || response.extensions().get::<Problem>().is_some() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, 4096).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let problem = match status {
        StatusCode::NOT_FOUND => Problem::no_page(),
        StatusCode::METHOD_NOT_ALLOWED => {
            Problem::of_status(status, "method", "Not done so", "This address does not take requests of this method.")
        }
        _ if status.is_server_error() => {
            tracing::error!(%status, "a request to the dashboard has failed");
            Problem::of_status(status, "failed", "It went wrong", "The dashboard could not answer; its log says more.")
        }
        _ => Problem::of_status(status, "invalid", "Invalid request", text.trim()),
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut made = problem.into_response();
    // What says which methods are allowed, for instance.
    parts.headers.remove(header::CONTENT_TYPE);
    made.headers_mut().extend(parts.headers);
    if let Some(chrome) = parts.extensions.remove::<Chrome>() {
        made.extensions_mut().insert(chrome);
    }
    made
}

/// A problem as a page.
fn as_page(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Some(problem) = parts.extensions.get::<Problem>() else { return Response::from_parts(parts, body) };
    let page = pages::problem_page(problem, parts.extensions.get::<Chrome>());
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(page))
}

/// Gives an answer a tag, and leaves its body out if the asker has it.
async fn tagged(response: Response, known: Option<&HeaderValue>) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_data = kind.starts_with("text/html") || kind.starts_with("application/json");
    if !is_data || response.headers().contains_key(header::ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MOST_TAGGED).await else {
        return Problem::unavailable("The answer is too large; ask for less.").into_response();
    };
    let tag = tag_of(&body);
    let is_known = known.and_then(|known| known.to_str().ok()).is_some_and(|known| {
        let same = |one: &str| one.trim_start_matches("W/") == tag.trim_start_matches("W/");
        known.split(',').map(str::trim).any(|one| one == "*" || same(one))
    });
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, tag);
    }
    if is_known {
        let headers = [header::ETAG, header::CACHE_CONTROL, header::VARY];
        let kept = headers.into_iter().filter_map(|name| Some((name.clone(), parts.headers.get(&name)?.clone())));
        let kept = HeaderMap::from_iter(kept);
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    Response::from_parts(parts, Body::from(body))
}

/// The tag of a body. It leaves out the moment at the end of an answer in JSON, which would be another one each time.
fn tag_of(body: &Bytes) -> String {
    const AS_OF: &[u8] = br#","as_of":""#;
    let start = body.len().saturating_sub(AS_OF.len() + 40);
    let end = body.get(start..).unwrap_or_default();
    let moment = end.windows(AS_OF.len()).rposition(|window| window == AS_OF);
    let counts = moment.map_or(&body[..], |at| &body[..start + at]);
    let hash = <[u8; 32]>::from(Sha256::digest(counts));
    hash.iter().take(12).fold(String::from("W/\""), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }) + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_leaves_out_the_moment_alone() {
        let tag = |text: &'static str| tag_of(&Bytes::from_static(text.as_bytes()));
        let one = tag(r#"{"a":1,"as_of":"2026-11-28T10:00:00Z"}"#);
        assert_eq!(one, tag(r#"{"a":1,"as_of":"2026-11-28T10:00:01.5Z"}"#));
        assert_ne!(one, tag(r#"{"a":2,"as_of":"2026-11-28T10:00:00Z"}"#));
        assert_ne!(
            tag(r#"{"as_of":"1","a":"0123456789012345678901234567890123456789"}"#),
            tag(r#"{"as_of":"2","a":"0123456789012345678901234567890123456789"}"#)
        );
        assert_ne!(tag(""), tag("x"));
    }
}
