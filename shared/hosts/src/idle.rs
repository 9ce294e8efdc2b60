//! Ends an idle host.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, Status, StopRequest};
use tokio::sync::Notify;

/// Ends the host when no job has run for a while: for a triggered WebJob, a cron job, or a Kubernetes job.
#[derive(Debug)]
pub struct IdleEnd {
    after: Duration,
    idle_since: Option<Instant>,
    end: Notify,
}

impl IdleEnd {
    /// Ends the host when all sources have been reached and no job has run for this long.
    #[must_use]
    pub fn after(after: Duration) -> Self {
        Self { after, idle_since: None, end: Notify::new() }
    }
}

#[async_trait]
impl Lifecycle for IdleEnd {
    async fn stop_requested(&mut self) -> StopRequest {
        self.end.notified().await;
        StopRequest::new("nothing to do")
    }

    async fn report(&mut self, status: &Status) {
        if status.in_flight() > 0 || !status.is_ready() {
            self.idle_since = None;
            return;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.after {
            // Stored until it is awaited.
            self.end.notify_one();
            self.idle_since = None;
        }
    }
}
