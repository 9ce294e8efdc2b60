//! A collector: an HTTP server that takes spans by OTLP, as protobuf.

#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod greet;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;

/// A collector on a port of its own, and what it has received.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) endpoint: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    spans: Vec<Exported>,
    resources: Vec<BTreeMap<String, String>>,
    bytes: Vec<u8>,
}

/// A span as it was exported.
#[derive(Debug, Clone)]
pub(crate) struct Exported {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace_id: Vec<u8>,
    pub(crate) id: Vec<u8>,
    /// Empty for a root.
    pub(crate) parent: Vec<u8>,
    /// The traces and the spans.
    pub(crate) links: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The text of its status, if that is an error.
    pub(crate) error: Option<String>,
}

impl Collector {
    /// Starts it in a thread of its own, so that it answers whatever the test's runtime does.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Received::default()));
        let app = Router::new().route("/v1/traces", post(take)).with_state(received.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
            });
        });
        Self { endpoint, received }
    }

    /// The spans of all traces in which a span has this attribute.
    pub(crate) fn with(&self, name: &str, value: &str) -> Vec<Exported> {
        let received = self.received.lock().unwrap();
        let has = |span: &&Exported| span.attributes.get(name).is_some_and(|found| found == value);
        let traces: Vec<_> = received.spans.iter().filter(has).map(|span| span.trace_id.clone()).collect();
        received.spans.iter().filter(|span| traces.contains(&span.trace_id)).cloned().collect()
    }

    pub(crate) fn of_trace(&self, trace_id: &[u8]) -> Vec<Exported> {
        let received = self.received.lock().unwrap();
        received.spans.iter().filter(|span| span.trace_id == trace_id).cloned().collect()
    }

    pub(crate) fn resources(&self) -> Vec<BTreeMap<String, String>> {
        self.received.lock().unwrap().resources.clone()
    }

    /// Whether this text was exported anywhere.
    pub(crate) fn has_received(&self, text: &str) -> bool {
        let received = self.received.lock().unwrap();
        received.bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes())
    }
}

async fn take(
    State(received): State<Arc<Mutex<Received>>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(axum::http::HeaderName, &'static str); 1], Vec<u8>) {
    const PROTOBUF: &str = "application/x-protobuf";
    let is_protobuf = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == PROTOBUF);
    let Ok(request) = ExportTraceServiceRequest::decode(body.clone()) else {
        return (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, PROTOBUF)], Vec::new());
    };
    assert!(is_protobuf, "{headers:?}");
    let mut received = received.lock().unwrap();
    received.bytes.extend_from_slice(&body);
    for resource in request.resource_spans {
        received.resources.push(values(resource.resource.unwrap_or_default().attributes));
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        received.spans.extend(spans.map(Exported::from));
    }
    (StatusCode::OK, [(CONTENT_TYPE, PROTOBUF)], ExportTraceServiceResponse::default().encode_to_vec())
}

impl From<Span> for Exported {
    fn from(span: Span) -> Self {
        let kind = span.kind();
        Self {
            kind,
            links: span.links.into_iter().map(|link| (link.trace_id, link.span_id)).collect(),
            error: span.status.filter(|status| status.code == 2).map(|status| status.message),
            attributes: values(span.attributes),
            name: span.name,
            trace_id: span.trace_id,
            id: span.span_id,
            parent: span.parent_span_id,
        }
    }
}

fn values(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|one| (one.key, text(one.value.and_then(|value| value.value)))).collect()
}

impl Exported {
    pub(crate) fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    /// What a link to it says.
    pub(crate) fn link(&self) -> (Vec<u8>, Vec<u8>) {
        (self.trace_id.clone(), self.id.clone())
    }
}

/// The only span of that name.
pub(crate) fn one<'a>(spans: &'a [Exported], name: &str) -> &'a Exported {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}
