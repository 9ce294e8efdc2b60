//! The stop notice: Lambda sends SIGTERM to functions with an internal extension, and kills them 500 ms later (AWS
//! Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", shutdown phase).
//!
//! The runtime crate has a helper for this. It fails the whole start when the extension cannot be registered, writes
//! plain lines into structured logs, and adds servers for logs and telemetry that make a bootstrap half a megabyte
//! larger; so this module makes the two requests itself.

use std::{io, time::Duration};

use async_trait::async_trait;
use lambda_runtime_api_client::{BoxError, PooledClient, body::Body, build_request};
use lamplighter::host::{DrainBudget, Lifecycle, StopRequest};

/// Names of internal extensions are unique within a function.
const NAME: &str = "lamplighter-stop-notice";
/// The time that a notice leaves: for running handlers, and for releasing the other jobs. The rest of the 500 ms is for
/// the runtime, which sends the responses of the last invocations.
pub(super) const BUDGET: DrainBudget =
    DrainBudget { handlers: Duration::from_millis(250), hand_back: Duration::from_millis(150) };

/// Lambda's announcement that it ends this process.
pub(super) struct StopNotice(Terminate);

/// SIGTERM. Functions run on Linux; elsewhere, where this is built as a part of the command line, it cannot be listened for.
#[cfg(unix)]
struct Terminate(tokio::signal::unix::Signal);
#[cfg(not(unix))]
enum Terminate {}

#[cfg(unix)]
impl Terminate {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).map(Self)
    }

    async fn recv(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

#[cfg(not(unix))]
impl Terminate {
    fn listen() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn recv(&mut self) -> Option<()> {
        match *self {}
    }
}

impl StopNotice {
    /// Registers the extension. If that fails, there is no notice, and the function still serves invocations.
    pub(super) async fn register() -> Option<Self> {
        // The signal handler is installed before the registration: from then on a SIGTERM may arrive.
        let terminate = match Terminate::listen() {
            Ok(terminate) => terminate,
            Err(error) => {
                tracing::warn!(%error, "no stop notice: SIGTERM cannot be listened for");
                return None;
            }
        };
        if let Err(error) = register().await {
            tracing::warn!(%error, "no stop notice: the extension could not be registered");
            return None;
        }
        Some(Self(terminate))
    }
}

#[async_trait]
impl Lifecycle for StopNotice {
    async fn stop_requested(&mut self) -> StopRequest {
        match self.0.recv().await {
            Some(()) => StopRequest::new("stop notice"),
            None => std::future::pending().await,
        }
    }

    fn reports_every(&self) -> Option<Duration> {
        None
    }
}

async fn register() -> Result<(), BoxError> {
    let client = PooledClient::builder().build();
    let request = build_request().method("POST").uri("/2020-01-01/extension/register");
    let request = request.header("Lambda-Extension-Name", NAME).header("Content-Type", "application/json");
    let response = client.call(request.body(Body::from(r#"{"events":[]}"#))?).await?;
    let id = match response.headers().get("Lambda-Extension-Identifier") {
        Some(id) if response.status().is_success() => id.clone(),
        _ => return Err(format!("the extensions API answered {}", response.status()).into()),
    };
    // Lambda waits for this request before it ends the init phase. There are no events, so no response arrives.
    tokio::spawn(async move {
        let request = build_request().uri("/2020-01-01/extension/event/next").header("Lambda-Extension-Identifier", id);
        let answer = match request.body(Body::empty()) {
            Ok(request) => client.call(request).await.map(|response| response.status().to_string()),
            Err(error) => Err(error.into()),
        };
        tracing::debug!(?answer, "the extension's request ended");
    });
    Ok(())
}
