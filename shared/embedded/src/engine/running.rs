//! A running engine, and its end.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use lamplighter::host::Stop;
use tokio::{sync::watch, task::JoinSet};

use super::{batch::Tally, failure::EngineError, lock::EngineLock, pulse::Pulse, watch::Watch};
use crate::backend::SqliteBackend;

/// A running engine.
///
/// When it is dropped without [`stop`](Self::stop), its handlers are cut off, and their jobs are released in the
/// background.
#[must_use = "an engine whose `Running` is dropped ends immediately"]
pub struct Running {
    pub(super) embedded: SqliteBackend,
    pub(super) stop: Stop,
    pub(super) tasks: JoinSet<()>,
    pub(super) tally: Arc<Tally>,
    pub(super) watch: Option<Watch>,
    pub(super) failure: watch::Receiver<Option<EngineError>>,
    pub(super) lock: Option<Arc<EngineLock>>,
}

/// The result of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Attempts that ended after the stop was requested.
    pub ended: usize,
    /// Jobs that were released, to run again under the next engine, without counting the attempt.
    pub handed_back: usize,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = |n: usize| if n == 1 { "1 job".to_owned() } else { format!("{n} jobs") };
        match (self.ended, self.handed_back) {
            (0, 0) => f.write_str("nothing was running"),
            (ended, 0) => write!(f, "{} ended", jobs(ended)),
            (0, back) => write!(f, "{} went back to the queue", jobs(back)),
            (ended, back) => write!(f, "{} ended, {} went back to the queue", jobs(ended), jobs(back)),
        }
    }
}

/// The time for releasing jobs after the budget is used up: a transaction or two, and another process may hold the file
/// meanwhile.
const HAND_BACK: Duration = Duration::from_secs(10);
/// How long releasing may continue without progress: of file and runtime, and of the file only. What has not ended then
/// is delayed by a handler that blocks its thread.
const BLOCKED: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_secs(2);
/// How far tokio's clock may be behind.
const LATE: Duration = Duration::from_millis(50);

impl Running {
    /// Resolves when the engine ends early, with the reason: its file was removed or replaced, or another engine holds
    /// its lock. It then starts nothing more, and running attempts are cut off; still call [`stop`](Self::stop) to end
    /// it in order. Does not resolve while the engine is healthy.
    pub async fn failed(&self) -> EngineError {
        let mut failure = self.failure.clone();
        if let Ok(failure) = failure.wait_for(Option::is_some).await
            && let Some(failure) = &*failure
        {
            return failure.clone();
        }
        std::future::pending().await
    }

    /// Stops: takes no more messages, releases what has not begun, notifies the handlers, and waits for them. Attempts
    /// that have not ended after `budget` are cut off and released immediately; their jobs run again under the next
    /// engine, without counting the attempt.
    ///
    /// A handler that blocks its thread cannot be cut off. It is left behind half a second after `budget`, even while
    /// such handlers block all threads of the runtime, as long as this future is polled by another thread
    /// (`Runtime::block_on` does); if its job could not be released, the next engine counts the attempt as lost.
    /// Dropping a runtime waits for such a handler: use `Runtime::shutdown_background`.
    ///
    /// At the end the log is copied into the file, and no thread or connection of the engine is left;
    /// [`SqliteBackend::close`] does the rest.
    pub async fn stop(mut self, budget: Duration) -> Stopped {
        self.stop.drain();
        let mut pulse = Pulse::start();
        if !self.end_within(budget, &mut pulse).await {
            self.stop.abort();
            if !self.hand_back(&mut pulse).await {
                tracing::error!("some handlers block their threads; the next engine may count their attempts as lost");
                self.tasks.abort_all();
            }
        }
        let inner = &self.embedded.0;
        if let Err(error) = inner.store.write_late().await {
            tracing::error!(%error, "some settlements could not be written; their jobs will run again");
        }
        self.watch = None;
        let writer = inner.writer.clone();
        if let Err(error) = self.embedded.patiently(move || writer.checkpoint()).await {
            tracing::warn!(%error, "the write-ahead log could not be copied into the file");
        }
        self.lock = None;
        let count = |of: &std::sync::atomic::AtomicUsize| of.load(Ordering::Relaxed);
        Stopped { ended: count(&self.tally.ended), handed_back: count(&self.tally.handed_back) }
    }

    async fn end_within(&mut self, budget: Duration, pulse: &mut Pulse) -> bool {
        let began = Instant::now();
        let time = tokio::time::sleep(budget);
        let ended = ended(&mut self.tasks);
        tokio::pin!(time, ended);
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return true,
                () = &mut time => return false,
                () = pulse.beat() => {
                    if began.elapsed() >= budget.saturating_add(LATE) {
                        return false;
                    }
                }
            }
        }
    }

    /// Waits for the attempts that were cut off, as long as there is progress.
    async fn hand_back(&mut self, pulse: &mut Pulse) -> bool {
        let began = Instant::now();
        let (mut written_at, mut alive_at) = (began, began);
        let writer = self.embedded.0.writer.clone();
        let mut probe = tokio::spawn(async {});
        let ended = ended(&mut self.tasks);
        tokio::pin!(ended);
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return true,
                () = pulse.beat() => {}
            }
            if !writer.is_idle() {
                (written_at, alive_at) = (Instant::now(), Instant::now());
            }
            if probe.is_finished() {
                alive_at = Instant::now();
                probe = tokio::spawn(async {});
            }
            if alive_at.elapsed() >= BLOCKED || written_at.elapsed() >= QUIET || began.elapsed() >= HAND_BACK {
                return false;
            }
        }
    }
}

async fn ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the engine panicked or was cancelled");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.abort();
        self.tasks.detach_all();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
