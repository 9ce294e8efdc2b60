//! Writes what is kept in memory for a while: settlements that could not be written when their attempts ended, and what
//! workers have measured.

use std::time::Duration;

use lamplighter::host::Stop;

use crate::backend::SqliteBackend;

/// The pause before each try, in which measurements are collected.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes it until the engine stops. The rest, and what comes later, is tried once more at its end.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let store = &embedded.0.store;
    loop {
        tokio::select! {
            () = stop.draining() => return,
            () = store.late.come() => {}
            () = store.measuring.come() => {}
        }
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        // What fails is kept for later, and the writer logs the full disk or the other process's lock.
        if let Err(error) = store.write_late().await {
            tracing::debug!(%error, "settlements could still not be written");
        }
        if let Err(error) = store.write_measured().await {
            tracing::debug!(%error, "measurements could not be written");
        }
    }
}
