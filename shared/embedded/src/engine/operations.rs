//! Goes on with operations whose runner has died: a command line that was killed, a dashboard that was restarted.

use lamplighter::{host::Stop, operation::Runner};

use crate::backend::SqliteBackend;

/// Looks for them until the engine stops, as often as a lease may end.
pub(crate) async fn run(embedded: SqliteBackend, stop: Stop) {
    let runner = Runner::new(embedded.client(), Vec::new()).with_operator(embedded.operator());
    loop {
        tokio::select! {
            () = stop.draining() => return,
            () = tokio::time::sleep(Runner::LEASE) => {}
        }
        if let Err(error) = runner.run_open(&stop, None).await {
            tracing::warn!(%error, "open operations could not be looked for");
        }
    }
}
