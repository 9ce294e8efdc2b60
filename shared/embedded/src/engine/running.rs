//! A running engine, and its end.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use lamplighter::Stop;
use tokio::task::JoinSet;

use super::{batch::Tally, lock::EngineLock, watch::Watch};

/// A running engine.
///
/// When it is dropped without [`stop`](Self::stop), its handlers are cut off, and their jobs are handed back in the
/// background.
#[must_use = "an engine whose `Running` is dropped ends at once"]
pub struct Running {
    stop: Stop,
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
    watch: Option<Watch>,
    lock: Option<Arc<EngineLock>>,
}

/// How an engine came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Attempts that ended after the stop was asked for.
    pub ended: usize,
    /// Jobs that were handed back, to run again under the next engine, uncounted.
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

/// How long handing back may take after the budget is used up: a transaction or two.
const HAND_BACK: Duration = Duration::from_secs(10);

impl Running {
    pub(super) fn new(
        stop: Stop,
        tasks: JoinSet<()>,
        tally: Arc<Tally>,
        watch: Option<Watch>,
        lock: Arc<EngineLock>,
    ) -> Self {
        Self { stop, tasks, tally, watch, lock: Some(lock) }
    }

    /// Stops: takes no further message, hands back what has not begun, tells the handlers, and waits for them. What has
    /// not ended after `budget` is cut off and handed back at once; it runs again under the next engine, uncounted.
    pub async fn stop(mut self, budget: Duration) -> Stopped {
        self.stop.drain();
        let tasks = &mut self.tasks;
        if tokio::time::timeout(budget, ended(tasks)).await.is_err() {
            self.stop.abort();
            if tokio::time::timeout(HAND_BACK, ended(tasks)).await.is_err() {
                tracing::error!("some jobs could not be handed back; the next engine finds them lost");
                tasks.shutdown().await;
            }
        }
        self.watch = None;
        self.lock = None;
        let count = |of: &std::sync::atomic::AtomicUsize| of.load(Ordering::Relaxed);
        Stopped { ended: count(&self.tally.ended), handed_back: count(&self.tally.handed_back) }
    }
}

async fn ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of the engine did not end as it should");
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
