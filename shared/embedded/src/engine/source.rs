//! The engine's sources: one for each queue, and one for the file's upkeep.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use lamplighter::host::{Source, SourceHealth, Stop, Worker};
use tokio::sync::mpsc;

use super::{
    batch::BatchRunner,
    clock,
    fetch::{Fetch, QueueSettings},
    late,
    lock::EngineLock,
    maintenance, operations, schedules,
};
use crate::backend::SqliteBackend;

/// The messages of one queue.
pub(super) struct QueueSource {
    settings: QueueSettings,
    worker: Worker,
    /// Kept until it has ended: the engine runs as long as one of its sources.
    lock: Mutex<Option<Arc<EngineLock>>>,
    in_flight: Arc<AtomicUsize>,
}

impl QueueSource {
    pub(super) fn new(settings: QueueSettings, worker: Worker, lock: Arc<EngineLock>) -> Self {
        Self { settings, worker, lock: Mutex::new(Some(lock)), in_flight: Arc::default() }
    }
}

#[async_trait]
impl Source for QueueSource {
    fn name(&self) -> String {
        format!("queue {}", self.settings.name)
    }

    async fn run(&self, stop: &Stop) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (landed, landings) = mpsc::unbounded_channel();
        let runner = BatchRunner {
            worker: self.worker.clone(),
            writer: self.settings.embedded.0.writer.clone(),
            stop: stop.clone(),
            landed,
        };
        Fetch::new(self.settings.clone(), runner, landings, self.in_flight.clone()).run().await;
        drop(lock);
    }

    fn is_settling(&self) -> bool {
        !self.settings.embedded.0.writer.is_idle()
    }

    fn health(&self) -> SourceHealth {
        let mut health = SourceHealth::new(self.name());
        health.in_flight = self.in_flight.load(Ordering::Relaxed);
        health
    }
}

/// Schedules, retention, the clock, what is written late, and operations that somebody has left.
pub(super) struct Upkeep(pub(super) SqliteBackend);

#[async_trait]
impl Source for Upkeep {
    fn name(&self) -> String {
        "schedules and upkeep".into()
    }

    async fn run(&self, stop: &Stop) {
        let of = || (self.0.clone(), stop.clone());
        let ((a, b), (c, d), (e, f), (g, h), (i, j)) = (of(), of(), of(), of(), of());
        tokio::join!(
            schedules::run(a, b),
            clock::run(c, d),
            maintenance::run(e, f),
            late::run(g, h),
            operations::run(i, j)
        );
    }
}
