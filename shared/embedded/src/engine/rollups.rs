//! Writes what the engine's workers have measured.

use std::time::Duration;

use lamplighter::host::Stop;

use crate::backend::SqliteBackend;

/// The time for which measurements are collected before they are written.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes them until the engine stops. What comes later is written at its end.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let store = &embedded.0.store;
    loop {
        tokio::select! {
            () = stop.draining() => return,
            () = store.measuring.come() => {}
        }
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        // They are kept for later, and the writer logs the full disk or the other process's lock.
        if let Err(error) = store.write_measured().await {
            tracing::debug!(%error, "measurements could not be written");
        }
    }
}
