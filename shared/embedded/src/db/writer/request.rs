//! A request to the writer, and its answer.

use std::{sync::Arc, time::Instant};

use lamplighter::backend::{StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use super::Inner;
use crate::db::{patience::Wait, transaction::Transaction};

/// Work to be done in a transaction. It may run more than once: when a transaction of several requests fails, each is
/// retried separately, so that one does not fail because of another.
pub(super) trait Request: Send {
    fn rows(&self) -> usize;
    fn asked_at(&self) -> Instant;
    fn run(&mut self, tx: &mut Transaction<'_>) -> rusqlite::Result<()>;
    /// Returns whether no caller waits for the answer any more.
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
        let Self { work, answer, tell, .. } = *self;
        // Before the answer: what the work shared is then its caller's alone.
        drop(work);
        let answer = match (outcome, answer) {
            (Ok(()), Some(answer)) => Ok(answer),
            (Ok(()), None) => Err(gone()),
            (Err(error), _) => Err(error),
        };
        // The caller may have dropped its future meanwhile; committed work stays.
        let _ = tell.send(answer);
    }
}

fn gone() -> StoreError {
    StoreError::unavailable("the writer of the embedded file ended before it answered")
}

pub(super) fn closed(location: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Broken, format_args!("{location} was closed by this process; open it again"))
}

/// A pending answer.
pub(crate) struct Answer<T> {
    pub(super) receiver: oneshot::Receiver<Result<T, StoreError>>,
    pub(super) wait: Option<Wait>,
    pub(super) inner: Arc<Inner>,
}

impl<T> Answer<T> {
    /// Waits for it, up to the limit.
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
