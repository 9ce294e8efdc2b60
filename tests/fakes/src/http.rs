//! Requests and replies, in the formats of AWS's protocols.

use http_body_util::Full;
use hyper::{Response, StatusCode, body::Bytes};
use serde_json::{Value, json};

/// A request that has been read to its end.
pub type Request = hyper::Request<Bytes>;

/// The answer of a service.
pub type Reply = Response<Full<Bytes>>;

/// Returns a reply with this status and body.
#[must_use]
pub fn reply(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply
}

/// Returns a reply of JSON.
#[must_use]
pub fn json_reply(status: StatusCode, body: &Value) -> Reply {
    with_header(reply(status, body.to_string()), "content-type", "application/json")
}

/// Adds a header. Names and values here are ASCII; others would be left out.
#[must_use]
pub fn with_header(mut reply: Reply, name: &'static str, value: &str) -> Reply {
    if let Ok(value) = value.parse() {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// Returns a header's text; empty without that header.
pub(crate) fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns whether a request uses the Query protocol: a form that names its action, answered in XML.
pub(crate) fn is_query(request: &Request) -> bool {
    request.body().starts_with(b"Action=")
}

/// Returns the fields of a form or of a query string.
pub(crate) fn fields(text: &str) -> Value {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Value::from(value.replace("%3A", ":")))).collect()
}

/// Returns an error in the protocol of the request.
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
    // Protocols differ in the field's first letter, and in where clients look for the code.
    let body = json!({ "__type": code, "message": message, "Message": message });
    with_header(json_reply(status, &body), "x-amzn-errortype", code)
}

/// Returns DynamoDB's refusal of a transaction whose second write is in conflict with another transaction.
pub(crate) fn conflict() -> Reply {
    let code = "TransactionCanceledException";
    let reasons = json!([{ "Code": "None" }, { "Code": "TransactionConflict", "Message": "as the test asked" }]);
    let body = json!({ "__type": code, "message": "as the test asked", "CancellationReasons": reasons });
    with_header(json_reply(StatusCode::BAD_REQUEST, &body), "x-amzn-errortype", code)
}

/// Returns a reply of XML.
pub(crate) fn xml(status: StatusCode, body: String) -> Reply {
    with_header(reply(status, body), "content-type", "text/xml")
}
