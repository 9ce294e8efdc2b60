//! Lambda's side of the runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes"),
//! and as much of the extensions API as an internal extension needs.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hyper::{Method, StatusCode, body::Bytes};
use serde_json::json;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

use crate::{
    REGION,
    call::{Call, Route},
    endpoint::{Endpoint, Service},
    http::{Reply, Request, header, json_reply, reply, with_header},
};

/// A runtime API that one bootstrap polls.
pub type RuntimeApi = Endpoint<LambdaRuntime>;

/// The answer of a bootstrap to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A response.
    Response(String),
    /// A failed invocation.
    Error(String),
}

/// Lambda, as a bootstrap accesses it.
#[derive(Debug)]
pub struct LambdaRuntime {
    events: mpsc::UnboundedSender<Event>,
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    open: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    invocations: AtomicU64,
    first_next: watch::Sender<Option<Instant>>,
    extensions: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Event {
    id: String,
    payload: Bytes,
    deadline_ms: u128,
    answer: oneshot::Sender<Answer>,
}

impl Default for LambdaRuntime {
    fn default() -> Self {
        let (events, waiting) = mpsc::unbounded_channel();
        Self {
            events,
            waiting: AsyncMutex::new(waiting),
            open: Mutex::default(),
            invocations: AtomicU64::new(0),
            first_next: watch::Sender::new(None),
            extensions: Mutex::default(),
        }
    }
}

impl Endpoint<LambdaRuntime> {
    /// Returns the environment that Lambda sets for a function's process.
    #[must_use]
    pub fn environment(&self, function: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_LAMBDA_RUNTIME_API", self.address().to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.into()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".into()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".into()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/01/[$LATEST]00".into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }
}

impl LambdaRuntime {
    /// Waits for the bootstrap's first request for an invocation, and returns its moment.
    pub async fn first_next(&self) -> Instant {
        let mut first = self.first_next.subscribe();
        loop {
            if let Some(at) = *first.borrow_and_update() {
                return at;
            }
            if first.changed().await.is_err() {
                // The sender lives in `self`, which this borrows.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Invokes the function with 30 seconds to answer, and waits for its answer. `None` if the bootstrap disconnects
    /// first.
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Option<Answer> {
        let deadline = SystemTime::now() + Duration::from_secs(30);
        self.invoke_until(payload, deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).await
    }

    /// Invokes the function with a deadline in milliseconds since 1970, and waits for its answer.
    pub async fn invoke_until(&self, payload: impl Into<Bytes>, deadline_ms: u128) -> Option<Answer> {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        let id = format!("8476a536-e9f4-11e8-9739-{number:012}");
        self.events.send(Event { id, payload: payload.into(), deadline_ms, answer }).ok()?;
        answered.await.ok()
    }

    /// Returns the registered extensions.
    #[must_use]
    pub fn extensions(&self) -> Vec<String> {
        self.extensions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Reply {
        self.first_next.send_if_modified(|first| {
            let new = first.is_none();
            first.get_or_insert_with(Instant::now);
            new
        });
        let Some(Event { id, payload, deadline_ms, answer }) = self.waiting.lock().await.recv().await else {
            return reply(StatusCode::GONE, "");
        };
        self.open().insert(id.clone(), answer);
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:test";
        let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0";
        let reply = with_header(reply(StatusCode::OK, payload), "lambda-runtime-aws-request-id", &id);
        let reply = with_header(reply, "lambda-runtime-deadline-ms", &deadline_ms.to_string());
        let reply = with_header(reply, "lambda-runtime-invoked-function-arn", arn);
        with_header(reply, "lambda-runtime-trace-id", trace)
    }

    fn answered(&self, id: &str, answer: Answer) -> Reply {
        match self.open().remove(id) {
            Some(waiting) => {
                // The receiver is dropped where a test gave up.
                let _ = waiting.send(answer);
                json_reply(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
            }
            None => json_reply(StatusCode::BAD_REQUEST, &json!({ "errorType": "InvalidRequestID" })),
        }
    }
}

impl Service for LambdaRuntime {
    type Measure = ();

    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let route = |action| Some(Route { action, field: None });
        match (method, &segments[..]) {
            (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => route("Next"),
            (&Method::POST, ["2018-06-01", "runtime", "invocation", _, "response"]) => route("Response"),
            (&Method::POST, ["2018-06-01", "runtime", "invocation", _, "error"]) => route("Error"),
            (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => route("InitError"),
            (&Method::POST, ["2020-01-01", "extension", "register"]) => route("RegisterExtension"),
            (&Method::GET, ["2020-01-01", "extension", "event", "next"]) => route("NextExtensionEvent"),
            _ => None,
        }
    }

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let text = || String::from_utf8_lossy(request.body()).into_owned();
        let id = || request.uri().path().rsplit('/').nth(1).unwrap_or_default();
        match call.action.as_str() {
            "Next" => self.next().await,
            "Response" => self.answered(id(), Answer::Response(text())),
            "Error" => self.answered(id(), Answer::Error(text())),
            "InitError" => reply(StatusCode::ACCEPTED, ""),
            "RegisterExtension" => {
                let name = header(&request, "lambda-extension-name").to_owned();
                self.extensions.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                with_header(reply(StatusCode::OK, "{}"), "lambda-extension-identifier", "extension-1")
            }
            // An extension that registered for no events waits here for ever.
            "NextExtensionEvent" => std::future::pending().await,
            _ => reply(StatusCode::NOT_FOUND, ""),
        }
    }
}
