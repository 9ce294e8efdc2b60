//! A collector: an HTTP server that takes spans by OTLP, as protobuf.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
#[derive(Debug, Clone)]
pub struct Collector {
    /// The URL that exporters send to.
    pub endpoint: String,
    received: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Exported>,
    resources: Vec<BTreeMap<String, String>>,
    bytes: Vec<u8>,
}

/// A span as it was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Its trace.
    pub trace_id: Vec<u8>,
    /// Its id.
    pub id: Vec<u8>,
    /// Empty for a root.
    pub parent: Vec<u8>,
    /// The traces and the spans.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The text of its status, if that is an error.
    pub error: Option<String>,
}

impl Collector {
    /// Starts it in a thread of its own, so that it answers whatever the test's runtime does.
    ///
    /// # Errors
    /// When the process gets no socket, or no thread.
    pub fn start() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let received = Arc::new(Mutex::new(Received::default()));
        let app = Router::new().route("/v1/traces", post(take)).with_state(received.clone());
        let serve = async { axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await };
        std::thread::Builder::new().spawn(move || runtime.block_on(serve))?;
        Ok(Self { endpoint, received })
    }

    fn received(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The spans of all traces in which a span has this attribute.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Vec<Exported> {
        let received = self.received();
        let has = |span: &&Exported| span.attributes.get(name).is_some_and(|found| found == value);
        let traces: Vec<_> = received.spans.iter().filter(has).map(|span| span.trace_id.clone()).collect();
        received.spans.iter().filter(|span| traces.contains(&span.trace_id)).cloned().collect()
    }

    /// The spans of a trace.
    #[must_use]
    pub fn of_trace(&self, trace_id: &[u8]) -> Vec<Exported> {
        let received = self.received();
        received.spans.iter().filter(|span| span.trace_id == trace_id).cloned().collect()
    }

    /// The resources that have exported, by their attributes.
    #[must_use]
    pub fn resources(&self) -> Vec<BTreeMap<String, String>> {
        self.received().resources.clone()
    }

    /// Whether this text was exported anywhere.
    #[must_use]
    pub fn has_received(&self, text: &str) -> bool {
        let received = self.received();
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
    let Some(request) = ExportTraceServiceRequest::decode(body.clone()).ok().filter(|_| is_protobuf) else {
        return (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, PROTOBUF)], Vec::new());
    };
    let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// One of its attributes.
    #[must_use]
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(String::as_str)
    }

    /// What a link to it says.
    #[must_use]
    pub fn link(&self) -> (Vec<u8>, Vec<u8>) {
        (self.trace_id.clone(), self.id.clone())
    }
}
