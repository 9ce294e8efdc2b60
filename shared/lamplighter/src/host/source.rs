//! Where deliveries come from.

use async_trait::async_trait;

use super::{SourceHealth, Stop};

/// Where a host's deliveries come from, and where its answers go.
///
/// A source hands deliveries to a [`Worker`](super::Worker) and acts on the worker's answers. It holds the messages that it
/// has taken: their visibility, their leases, their acknowledgement.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// A few words for logs and health checks: `queue webhooks`.
    fn name(&self) -> String;

    /// Feeds the worker until `stop` is given. Then it takes nothing more, awaits a receive that is under way (its messages
    /// would stay hidden otherwise), and returns when everything that it has taken is settled.
    ///
    /// A source that has nothing more to do may return earlier; the host ends when all of its sources have.
    async fn run(&self, stop: &Stop);

    /// Whether a call that writes down results is under way. A drain waits a little longer for it.
    fn is_settling(&self) -> bool {
        false
    }

    /// How it is, now.
    fn health(&self) -> SourceHealth {
        SourceHealth::new(self.name())
    }
}
