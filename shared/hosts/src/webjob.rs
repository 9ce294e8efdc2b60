//! Azure WebJobs: the shutdown file, and a sign of life (Kudu's wiki, "WebJobs").

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, Status, StopRequest};

/// A WebJob of Azure App Service.
///
/// The end of a continuous job is announced by a file, and it is killed `stopping_wait_time` later. A triggered one
/// gets no notice; it is aborted when it neither writes anything nor uses the processor for two minutes, so it writes a
/// line every minute.
#[derive(Debug)]
pub struct WebJob {
    shutdown: Option<PathBuf>,
    killed_after: Duration,
    /// The time of the last sign of life, for a triggered job.
    spoke: Option<Instant>,
}

/// The default of Kudu's `stopping_wait_time` for a continuous job.
const STOPPING_WAIT: Duration = Duration::from_secs(5);
/// The interval of checks for the file. Kudu creates it once, without a notification.
const LOOK: Duration = Duration::from_millis(200);
/// The interval between two signs of life.
const SPEAK: Duration = Duration::from_secs(60);

impl WebJob {
    /// Creates it for a process that Kudu has started; `None` elsewhere.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        std::env::var_os("WEBJOBS_NAME")?;
        let shutdown = std::env::var_os("WEBJOBS_SHUTDOWN_FILE").filter(|path| !path.is_empty());
        Some(Self::new(shutdown.map(PathBuf::from)))
    }

    /// Creates it for a continuous job with that shutdown file, or for a triggered one.
    #[must_use]
    pub fn new(shutdown: Option<PathBuf>) -> Self {
        Self { shutdown, killed_after: STOPPING_WAIT, spoke: None }
    }

    /// Sets the job's `stopping_wait_time`. Default 5 seconds.
    #[must_use]
    pub fn killed_after(mut self, limit: Duration) -> Self {
        self.killed_after = limit;
        self
    }
}

#[async_trait]
impl Lifecycle for WebJob {
    async fn stop_requested(&mut self) -> StopRequest {
        let Some(path) = self.shutdown.clone() else { return std::future::pending().await };
        // A few synchronous calls per second cost nothing.
        while !path.exists() {
            tokio::time::sleep(LOOK).await;
        }
        // Only once: the file stays.
        self.shutdown = None;
        StopRequest::new("the WebJob's shutdown file").killed_after(self.killed_after.saturating_sub(LOOK))
    }

    async fn report(&mut self, status: &Status) {
        if self.shutdown.is_none() && self.spoke.is_none_or(|at| at.elapsed() >= SPEAK) {
            self.spoke = Some(Instant::now());
            tracing::info!(jobs = status.in_flight(), "at work");
        }
    }
}
