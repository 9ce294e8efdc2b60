//! Records the calls, in order.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::call::Call;

pub(crate) struct Recorder<M> {
    entries: Mutex<Vec<Entry<M>>>,
    /// The number of calls that have begun.
    begun: watch::Sender<usize>,
    connections: watch::Sender<usize>,
}

struct Entry<M> {
    number: usize,
    /// Whether the record is final.
    complete: bool,
    call: Call<M>,
}

impl<M> Default for Recorder<M> {
    fn default() -> Self {
        Self { entries: Mutex::default(), begun: watch::Sender::new(0), connections: watch::Sender::new(0) }
    }
}

impl<M: Clone> Recorder<M> {
    /// Records a call on arrival, and returns its number.
    pub(crate) fn begin(&self, call: Call<M>) -> usize {
        let mut entries = self.entries();
        let number = *self.begun.borrow() + 1;
        entries.push(Entry { number, complete: false, call });
        self.begun.send_replace(number);
        number
    }

    /// Completes the record of a call after its service has answered it.
    pub(crate) fn complete(&self, number: usize, call: Call<M>) {
        if let Some(entry) = self.entries().iter_mut().rfind(|entry| entry.number == number) {
            (entry.call, entry.complete) = (call, true);
        }
    }

    pub(crate) fn connected(&self) {
        self.connections.send_modify(|connections| *connections += 1);
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    pub(crate) fn calls(&self) -> Vec<Call<M>> {
        self.entries().iter().map(|entry| entry.call.clone()).collect()
    }

    pub(crate) fn take(&self) -> Vec<Call<M>> {
        let mut entries = self.entries();
        let (complete, open) = std::mem::take(&mut *entries).into_iter().partition(|entry| entry.complete);
        *entries = open;
        complete.into_iter().map(|entry: Entry<M>| entry.call).collect()
    }

    pub(crate) async fn begun(&self, calls: usize) {
        // Fails only when the sender is dropped, which this keeps alive.
        let _ = self.begun.subscribe().wait_for(|begun| *begun >= calls).await;
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry<M>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
