//! Detects that the clock was set, also while nothing is written.
//!
//! Timeouts, deadlines and waits use the timer, which cannot be set. The first transaction after the clock was set corrects
//! leases and, after a step back, the moments in the file, see [`operations::clock`](crate::operations::clock); then every
//! wait for a moment checks again.

use std::time::Duration;

use lamplighter::host::Stop;

use crate::{backend::SqliteBackend, db::writer::Writer};

/// The interval between two comparisons.
const LOOK: Duration = Duration::from_secs(5);

/// Compares the clock with the timer until the engine stops.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let writer = &embedded.0.writer;
    loop {
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        // Any transaction does what is to be done.
        if writer.clock_was_set()
            && let Err(error) = writer.run(64, |_| Ok(())).await
        {
            tracing::error!(%error, "the leases of running jobs could not be moved to the new time");
        }
    }
}

/// As long as it lives, each transaction compares the clock with the timer.
pub(super) struct Watched(Writer);

impl Watched {
    pub(super) fn begin(embedded: &SqliteBackend) -> Self {
        let writer = embedded.0.writer.clone();
        writer.watch_clock(true);
        Self(writer)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.watch_clock(false);
    }
}
