//! A request of the writer, and the answer to it.

use std::{sync::Arc, time::Instant};

use lamplighter::backend::{StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use super::Inner;
use crate::db::{patience::Wait, transaction::Transaction};

/// Something to be done in a transaction. It may be run more than once: when a transaction of several fails, each is
/// tried again by itself, so that one does not fail for another's sake.
pub(super) trait Request: Send {
    fn rows(&self) -> usize;
    fn asked_at(&self) -> Instant;
    fn run(&mut self, tx: &mut Transaction<'_>) -> rusqlite::Result<()>;
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

pub(super) struct Call<F, T> {
    pub(super) rows: usize,
    pub(super) asked_at: Instant,
    pub(super) work: F,
    pub(super) answer: Option<T>,
    pub(super) tell: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Request for Call<F, T>
where
    F: FnMut(&mut Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn asked_at(&self) -> Instant {
        self.asked_at
    }

    fn run(&mut self, tx: &mut Transaction<'_>) -> rusqlite::Result<()> {
        self.answer = Some((self.work)(tx)?);
        Ok(())
    }

    fn is_abandoned(&self) -> bool {
        self.tell.is_closed()
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.answer) {
            (Ok(()), Some(answer)) => Ok(answer),
            (Ok(()), None) => Err(gone()),
            (Err(error), _) => Err(error),
        };
        // Who asked may have gone away meanwhile; what was done stays done.
        let _ = self.tell.send(answer);
    }
}

fn gone() -> StoreError {
    StoreError::unavailable("the writer of the embedded file ended before it answered")
}

pub(super) fn closed(location: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, format_args!("{location} was closed by this process; open it again"))
}

/// An answer that is on its way.
pub(crate) struct Answer<T> {
    pub(super) receiver: oneshot::Receiver<Result<T, StoreError>>,
    pub(super) wait: Option<Wait>,
    pub(super) inner: Arc<Inner>,
}

impl<T> Answer<T> {
    /// Waits for it, as long as there is hope.
    pub(crate) async fn get(self) -> Result<T, StoreError> {
        let Self { mut receiver, wait, inner } = self;
        let answer = match wait {
            None => receiver.await,
            Some(mut wait) => tokio::select! {
                biased;
                answer = &mut receiver => answer,
                () = wait.over() => {
                    drop(receiver);
                    return Err(inner.give_up());
                }
            },
        };
        answer.unwrap_or_else(|_| Err(gone()))
    }
}
