//! The stop notice: Lambda sends SIGTERM to functions with an extension, and kills them 500 ms later (AWS Lambda
//! Developer Guide, "Understanding the Lambda execution environment lifecycle", shutdown phase).

use std::time::Duration;

use tokio::time::timeout;

use super::Host;

/// What running handlers get to end by themselves, after they were told.
const DRAIN: Duration = Duration::from_millis(250);
/// What it takes to hand the rest back.
const HAND_BACK: Duration = Duration::from_millis(150);
/// What the runtime gets to send the answers of the last invocations.
const ANSWERS: Duration = Duration::from_millis(30);

/// Registers the extension, and ends the host's jobs when the notice comes. The process then exits.
pub(super) async fn announce(host: Host) {
    lambda_runtime::spawn_graceful_shutdown_handler(move || async move {
        tracing::info!("stop notice: no further job begins, running ones are told");
        host.stop().drain();
        if timeout(DRAIN, host.idle()).await.is_err() {
            host.stop().abort();
            if timeout(HAND_BACK, host.idle()).await.is_err() {
                tracing::warn!("stopped with jobs still running; their messages come back by themselves");
            }
        }
        tokio::time::sleep(ANSWERS).await;
    })
    .await;
}
