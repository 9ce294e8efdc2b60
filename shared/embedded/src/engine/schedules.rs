//! Starts the jobs of due schedules.

use std::time::Duration;

use lamplighter::host::Stop;

use crate::{backend::SqliteBackend, operations::schedules};

/// The longest wait: the clock may be set, and a machine may sleep.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The pause after the file could not be written.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// Enqueues the jobs of schedules when they are due, until the engine stops.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let inner = &embedded.0;
    loop {
        let wait = match inner.writer.run(16, schedules::tick).await {
            Ok(next) => next.map(|next| embedded.env().until(next).min(LONGEST_WAIT)),
            Err(error) => {
                tracing::error!(%error, "schedules could not be checked; trying again");
                Some(AFTER_ERROR)
            }
        };
        let sleep = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.draining() => return,
            () = inner.signals.of_schedules() => {}
            () = sleep => {}
        }
    }
}
