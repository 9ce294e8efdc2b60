//! What workers have measured, until it is written into the file.
//!
//! A batch is added in memory, and all that was added is written together, a second later at the latest, and when an
//! engine ends. So nothing is written for a job, and a process that is killed loses a second of its charts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lamplighter::{
    env::Env,
    meter::{Measurements, Meter},
};
use tokio::sync::Notify;

use crate::{
    operations::rollups::{Sums, minute},
    store::SqliteStore,
    time,
};

/// By minute, queue and job.
pub(crate) type Measured = HashMap<(i64, Arc<str>, &'static str), Sums>;

/// What is not written yet.
#[derive(Default)]
pub(crate) struct Measuring {
    open: Mutex<Measured>,
    come: Notify,
}

impl Measuring {
    fn open(&self) -> MutexGuard<'_, Measured> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, batch: &Measurements, env: &Env) {
        if batch.runs.is_empty() {
            return;
        }
        let now = minute(time::nearest(env.now()));
        let mut open = self.open();
        let is_first = open.is_empty();
        for run in &batch.runs {
            open.entry((now, run.queue.clone(), run.job)).or_default().add(run);
        }
        drop(open);
        if is_first {
            self.come.notify_one();
        }
    }

    /// Adds what could not be written.
    pub(crate) fn put_back(&self, measured: &Measured) {
        let mut open = self.open();
        for (key, sums) in measured {
            open.entry(key.clone()).or_default().merge(sums);
        }
        drop(open);
        self.come.notify_one();
    }

    /// Removes and returns all that was added.
    pub(crate) fn take(&self) -> Measured {
        std::mem::take(&mut *self.open())
    }

    /// Resolves after something has been added.
    pub(crate) async fn come(&self) {
        self.come.notified().await;
    }
}

/// Measures for the file's roll-ups, and for another meter.
pub(crate) struct FileMeter {
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) other: Option<Arc<dyn Meter>>,
}

impl Meter for FileMeter {
    fn record(&self, batch: &Measurements) {
        self.store.measuring.add(batch, &self.store.env);
        if let Some(other) = &self.other {
            other.record(batch);
        }
    }
}
