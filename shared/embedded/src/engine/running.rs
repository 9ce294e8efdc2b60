//! A running engine, and its end.

use std::{fmt, sync::Arc};

use lamplighter::host::{self, DrainBudget, Drained, Lifecycle, Monitor};
use tokio::sync::watch;

use super::{clock::Watched, failure::EngineError, lock::EngineLock, watch::Watch};
use crate::backend::SqliteBackend;

/// A running engine.
///
/// In a program of its own, pass it to a lifecycle: [`run`](Self::run). In a program that does other things too, keep
/// it and [`drain`](Self::drain) it before the program ends. When it is dropped, its handlers are interrupted, and
/// their jobs are released in the background.
#[must_use = "an engine whose `Running` is dropped ends immediately"]
pub struct Running {
    pub(super) host: host::Running,
    pub(super) end: End,
    pub(super) failure: watch::Receiver<Option<EngineError>>,
}

/// The steps after an engine has ended.
pub(super) struct End {
    pub(super) embedded: SqliteBackend,
    pub(super) watch: Option<Watch>,
    pub(super) clock: Watched,
    pub(super) lock: Arc<EngineLock>,
}

impl Running {
    /// Resolves when the engine ends early, with the reason: its file was removed or replaced, or another engine holds
    /// its lock. It then starts nothing more, and interrupts running attempts; still call [`drain`](Self::drain) to end
    /// it cleanly. Does not resolve while the engine is healthy.
    pub async fn failed(&self) -> EngineError {
        let mut failure = self.failure.clone();
        if let Ok(failure) = failure.wait_for(Option::is_some).await
            && let Some(failure) = &*failure
        {
            return failure.clone();
        }
        std::future::pending().await
    }

    /// Returns a monitor of it, for health checks.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.host.monitor()
    }

    /// Runs until the lifecycle ends it, and drains within `budget`: see [`host::Running::run`].
    ///
    /// # Errors
    /// When it ended early; see [`failed`](Self::failed).
    pub async fn run(
        self,
        lifecycle: &mut dyn Lifecycle,
        budget: impl Into<DrainBudget>,
    ) -> Result<Drained, EngineError> {
        let Self { host, end, failure } = self;
        let drained = host.run(lifecycle, budget).await;
        end.end().await;
        let failure = failure.borrow().clone();
        failure.map_or(Ok(drained), Err)
    }

    /// Receives no more messages, releases those that have not begun, notifies the handlers, and waits for them.
    /// Attempts that have not ended after `budget` are interrupted and released immediately; their jobs run again under
    /// the next engine, without counting the attempt. A handler that blocks its thread is abandoned: see
    /// [`host::Running::drain`]; if its job could not be released, the next engine counts the attempt as lost.
    ///
    /// At the end the log is copied into the file, and no thread or connection of the engine is left;
    /// [`SqliteBackend::close`] does the rest.
    pub async fn drain(self, budget: impl Into<DrainBudget>) -> Drained {
        let drained = self.host.drain(budget).await;
        self.end.end().await;
        drained
    }
}

impl End {
    async fn end(self) {
        let Self { embedded, watch, clock, lock } = self;
        let inner = &embedded.0;
        if let Err(error) = inner.store.write_late().await {
            tracing::error!(%error, "some settlements could not be written; their jobs will run again");
        }
        if let Err(error) = inner.store.write_measured().await {
            tracing::warn!(%error, "the last measurements could not be written");
        }
        drop((watch, clock));
        let writer = inner.writer.clone();
        if let Err(error) = embedded.patiently(move || writer.checkpoint()).await {
            tracing::warn!(%error, "the write-ahead log could not be copied into the file");
        }
        drop(lock);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("host", &self.host).finish_non_exhaustive()
    }
}
