//! Goes on with operations whose runner has died.
//!
//! This function has the rights for jobs, but none to switch event source mappings or to read dead-letter queues. Operations
//! that need those are left to who began them, and have failed after an [hour](Runner::ABANDONED).

use lamplighter::{host::Stop, operation::Runner};
use tokio::time::Instant;

use super::Round;

impl Round<'_> {
    /// Uses half of the time that is left: counting records has the rest. What is not done then goes on next time.
    pub(super) async fn go_on_with_operations(&self) {
        let now = Instant::now();
        let until = now + self.deadline.saturating_duration_since(now) / 2;
        let runner = Runner::new(self.client.clone(), Vec::new());
        match runner.run_open(&Stop::new(), Some(until)).await {
            Ok(resumed) if resumed.ended + resumed.open > 0 => {
                tracing::info!(ended = resumed.ended, open = resumed.open, "operations");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "open operations could not be looked for"),
        }
    }
}
