//! The stop notice: Lambda sends SIGTERM to functions with an internal extension, and kills them 500 ms later (AWS
//! Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle", shutdown phase).
//!
//! The runtime crate has a helper for this. It fails the whole start when the extension cannot be registered, writes
//! bare lines into structured logs, and adds servers for logs and telemetry that make a bootstrap half a megabyte
//! larger; so this module makes the two requests itself.

use std::time::Duration;

use lambda_runtime_api_client::{BoxError, PooledClient, body::Body, build_request};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::Host;

/// Names of internal extensions are unique within a function.
const NAME: &str = "lamplighter-stop-notice";
/// The time that running handlers have to end after the notice.
const DRAIN: Duration = Duration::from_millis(250);
/// The time for releasing the other jobs.
const HAND_BACK: Duration = Duration::from_millis(150);
/// The time for the runtime to send the responses of the last invocations.
const ANSWERS: Duration = Duration::from_millis(30);

/// Registers the extension, and ends the process in order when the notice comes. If it cannot be registered, there is
/// no notice, and the function still serves invocations.
pub(super) async fn announce(host: Host) {
    // The signal handler is installed before the registration: from then on a SIGTERM may come.
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return tracing::warn!(%error, "no stop notice: SIGTERM cannot be listened for"),
    };
    if let Err(error) = register().await {
        return tracing::warn!(%error, "no stop notice: the extension could not be registered");
    }
    tokio::spawn(async move {
        if terminate.recv().await.is_some() {
            wind_down(&host).await;
            std::process::exit(0);
        }
    });
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
    // Lambda waits for this request before it ends the init phase. There are no events, so no response comes.
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

async fn wind_down(host: &Host) {
    tracing::info!("stop notice: no more jobs begin, running ones are notified");
    host.stop().drain();
    if timeout(DRAIN, host.idle()).await.is_err() {
        host.stop().abort();
        if timeout(HAND_BACK, host.idle()).await.is_err() {
            tracing::warn!("stopped with jobs still running; their messages come back after the visibility timeout");
        }
    }
    tokio::time::sleep(ANSWERS).await;
}
