//! Lambda's side of the runtime API (AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes"),
//! and as much of the extensions API as an internal extension needs.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use hyper::{Method, StatusCode, body::Bytes};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

use super::http::{Asked, Reply, Serve, Server, reply, with_header};

/// A runtime API that one bootstrap polls.
#[derive(Debug)]
pub struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<Event>,
}

/// What a bootstrap answered to an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A response.
    Response(String),
    /// A failed invocation.
    Error(String),
}

#[derive(Debug)]
struct Shared {
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    open: Mutex<HashMap<String, oneshot::Sender<Answer>>>,
    first_next: watch::Sender<Option<Instant>>,
    init_errors: Mutex<Vec<String>>,
    extensions: Mutex<Vec<String>>,
}

#[derive(Debug)]
struct Event {
    id: String,
    payload: Bytes,
    deadline_ms: u128,
    answer: oneshot::Sender<Answer>,
}

impl RuntimeApi {
    /// Starts one.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let (events, waiting) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            waiting: AsyncMutex::new(waiting),
            open: Mutex::default(),
            first_next: watch::Sender::new(None),
            init_errors: Mutex::default(),
            extensions: Mutex::default(),
        });
        let server = Server::start(shared.clone()).await?;
        Ok(Self { server, shared, events })
    }

    /// The environment that Lambda gives to a function's process.
    #[must_use]
    pub fn environment(&self, function: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_LAMBDA_RUNTIME_API", self.server.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.into()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".into()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".into()),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON".into()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/01/[$LATEST]00".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "test".into()),
            ("AWS_SECRET_ACCESS_KEY", "test".into()),
        ]
    }

    /// When the bootstrap first asked for an invocation; waits until it does.
    pub async fn first_next(&self) -> Instant {
        let mut first = self.shared.first_next.subscribe();
        loop {
            if let Some(at) = *first.borrow_and_update() {
                return at;
            }
            if first.changed().await.is_err() {
                // The sender lives in what this borrows.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Invokes the function with 30 seconds to answer, and waits for that. `None` when the bootstrap went away first.
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Option<Answer> {
        let deadline = SystemTime::now() + Duration::from_secs(30);
        self.invoke_until(payload, deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).await
    }

    /// Invokes the function with a deadline in milliseconds since 1970, and waits for its answer.
    pub async fn invoke_until(&self, payload: impl Into<Bytes>, deadline_ms: u128) -> Option<Answer> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let id = format!("8476a536-e9f4-11e8-9739-{number:012}");
        let event = Event { id, payload: payload.into(), deadline_ms, answer };
        self.events.send(event).ok()?;
        answered.await.ok()
    }

    /// What was reported as failed start.
    #[must_use]
    pub fn init_errors(&self) -> Vec<String> {
        self.shared.init_errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The extensions that were registered.
    #[must_use]
    pub fn extensions(&self) -> Vec<String> {
        self.shared.extensions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Serve for Shared {
    async fn serve(self: Arc<Self>, asked: Asked) -> Reply {
        let segments: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        match (&asked.method, &segments[..]) {
            (&Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => self.next().await,
            (&Method::POST, ["2018-06-01", "runtime", "invocation", id, what @ ("response" | "error")]) => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                let answer = if *what == "error" { Answer::Error(body) } else { Answer::Response(body) };
                let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(*id);
                match open {
                    Some(waiting) => {
                        // Nobody waits any more where a test gave up.
                        let _ = waiting.send(answer);
                        reply(StatusCode::ACCEPTED, r#"{"status":"OK"}"#)
                    }
                    None => reply(StatusCode::BAD_REQUEST, r#"{"errorType":"InvalidRequestID"}"#),
                }
            }
            (&Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                self.init_errors.lock().unwrap_or_else(PoisonError::into_inner).push(body);
                reply(StatusCode::ACCEPTED, "")
            }
            (&Method::POST, ["2020-01-01", "extension", "register"]) => {
                let name = asked.headers.get("lambda-extension-name").and_then(|name| name.to_str().ok());
                let name = name.unwrap_or_default().to_owned();
                self.extensions.lock().unwrap_or_else(PoisonError::into_inner).push(name);
                with_header(reply(StatusCode::OK, "{}"), "lambda-extension-identifier", "extension-1")
            }
            // An extension that asked for no events waits here for ever.
            (&Method::GET, ["2020-01-01", "extension", "event", "next"]) => std::future::pending().await,
            _ => reply(StatusCode::NOT_FOUND, ""),
        }
    }
}

impl Shared {
    async fn next(&self) -> Reply {
        self.first_next.send_if_modified(|first| {
            let new = first.is_none();
            first.get_or_insert_with(Instant::now);
            new
        });
        let Some(Event { id, payload, deadline_ms, answer }) = self.waiting.lock().await.recv().await else {
            return reply(StatusCode::GONE, "");
        };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), answer);
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:test";
        let trace = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0";
        let reply = with_header(reply(StatusCode::OK, payload), "lambda-runtime-aws-request-id", &id);
        let reply = with_header(reply, "lambda-runtime-deadline-ms", &deadline_ms.to_string());
        let reply = with_header(reply, "lambda-runtime-invoked-function-arn", arn);
        with_header(reply, "lambda-runtime-trace-id", trace)
    }
}
