//! Settlements that could not be written when their attempts ended.
//!
//! Their handlers have run. As long as the process lives, it keeps the results, and writes them when the file can be
//! written again: that is better than running the jobs twice. Each write is fenced as usual, so it overwrites no later
//! change, and repeating a settlement that was written after all changes nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lamplighter::{
    JobId,
    backend::{Completion, StoreError, StoreErrorKind, Token},
};
use tokio::sync::Notify;

/// Settlements that are not written yet, each once.
#[derive(Default)]
pub(crate) struct Late {
    open: Mutex<HashMap<(JobId, Token), Completion>>,
    come: Notify,
}

impl Late {
    fn open(&self) -> MutexGuard<'_, HashMap<(JobId, Token), Completion>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps settlements until [`take`](Self::take).
    pub(crate) fn keep(&self, settlements: &[Completion]) {
        let mut open = self.open();
        for settle in settlements {
            open.insert((settle.id.clone(), settle.token), settle.clone());
        }
        drop(open);
        self.come.notify_one();
    }

    /// Removes and returns all that are kept.
    pub(crate) fn take(&self) -> Vec<Completion> {
        std::mem::take(&mut *self.open()).into_values().collect()
    }

    /// Resolves after some have been kept.
    pub(crate) async fn come(&self) {
        self.come.notified().await;
    }

    /// Returns a guard that keeps these settlements when dropped, unless they were answered.
    pub(crate) fn guard(&self, settlements: Arc<Vec<Completion>>) -> Guard<'_> {
        Guard { late: self, settlements: Some(settlements) }
    }
}

/// Settlements being written.
pub(crate) struct Guard<'a> {
    late: &'a Late,
    settlements: Option<Arc<Vec<Completion>>>,
}

impl Guard<'_> {
    /// Any answer counts, except that the file cannot be written now.
    pub(crate) fn is_answered<T>(&mut self, answer: &Result<T, StoreError>) {
        if !matches!(answer, Err(error) if error.kind() == StoreErrorKind::Unavailable) {
            self.settlements = None;
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(settlements) = self.settlements.take() {
            self.late.keep(&settlements);
        }
    }
}
