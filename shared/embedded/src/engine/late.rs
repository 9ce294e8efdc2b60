//! Writes settlements that could not be written when their attempts ended.

use std::time::Duration;

use lamplighter::host::Stop;

use crate::backend::SqliteBackend;

/// The pause before each try.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes them until the engine stops, and tries the rest once more at its end.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let store = &embedded.0.store;
    loop {
        tokio::select! {
            () = stop.draining() => return,
            () = store.late.come() => {}
        }
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        // The settlements are kept for later, and the writer logs the full disk or the other process's lock.
        if let Err(error) = store.write_late().await {
            tracing::debug!(%error, "settlements could still not be written");
        }
    }
}
