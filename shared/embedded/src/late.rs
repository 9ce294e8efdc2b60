//! Settlements that could not be written when they came.
//!
//! Their handlers have run. As long as the process lives, it remembers what came of them, and writes it when the file
//! can be written again: late is better than once more. Each is fenced like any other, so that nothing is written over
//! what has happened meanwhile, and one that was written after all changes nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lamplighter::{
    JobId,
    backend::{Completion, StoreError, StoreErrorKind, Token},
};
use tokio::sync::Notify;

/// Settlements to be written yet, each once.
#[derive(Default)]
pub(crate) struct Late {
    open: Mutex<HashMap<(JobId, Token), Completion>>,
    come: Notify,
}

impl Late {
    fn open(&self) -> MutexGuard<'_, HashMap<(JobId, Token), Completion>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps settlements until they are taken.
    pub(crate) fn keep(&self, settlements: &[Completion]) {
        let mut open = self.open();
        for settle in settlements {
            open.insert((settle.id.clone(), settle.token), settle.clone());
        }
        drop(open);
        self.come.notify_one();
    }

    /// All that are kept; they are the caller's then.
    pub(crate) fn take(&self) -> Vec<Completion> {
        std::mem::take(&mut *self.open()).into_values().collect()
    }

    /// Resolves after some were kept.
    pub(crate) async fn come(&self) {
        self.come.notified().await;
    }

    /// Keeps these when it is dropped, unless they were answered.
    pub(crate) fn guard(&self, settlements: Arc<Vec<Completion>>) -> Guard<'_> {
        Guard { late: self, settlements: Some(settlements) }
    }
}

/// Settlements on their way.
pub(crate) struct Guard<'a> {
    late: &'a Late,
    settlements: Option<Arc<Vec<Completion>>>,
}

impl Guard<'_> {
    /// Whoever is told that the file cannot be written now, is told no answer.
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
