//! Requests and replies, and how AWS's protocols write both.

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use serde_json::{Value, json};

/// A request that has been read to its end.
pub type Request = hyper::Request<Bytes>;

/// What a service answers.
pub type Reply = Response<Full<Bytes>>;

/// A reply with this status and body.
#[must_use]
pub fn reply(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
}

/// A reply of JSON.
#[must_use]
pub fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/json")
}

/// Adds a header. Names and values here are made of ASCII only; others would be left out.
#[must_use]
pub fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = value.parse() {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// A header's text; empty where there is none.
pub(crate) fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether a request speaks the Query protocol: a form that names its action, answered in XML.
pub(crate) fn is_query(request: &Request) -> bool {
    request.body().starts_with(b"Action=")
}

/// The fields of a form or of a query string.
pub(crate) fn fields(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value.replace("%3A", ":")))).collect()
}

/// An error in the protocol that the request speaks.
pub(crate) fn refused(request: &Request, status: u16, code: &str, message: &str) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if is_query(request) {
        return xml(
            status,
            format!(
                "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            ),
        );
    }
    // Protocols differ in the field's first letter, and in where they look for the code.
    let body = json!({ "__type": code, "message": message, "Message": message });
    with_header(json_reply(status, &body), "x-amzn-errortype", code)
}

/// A reply of XML.
pub(crate) fn xml(status: StatusCode, body: String) -> Reply {
    with_header(reply(status, body), "content-type", "text/xml")
}
