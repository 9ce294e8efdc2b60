//! The one writer of this process: what is asked of it at the same time becomes one transaction.
//!
//! Requests go into a queue. The first request starts a task on tokio's blocking threads, which takes all
//! that is waiting, runs it as one transaction, answers each request after the commit, and goes on until nothing is
//! left. It is a task rather than a thread of its own because tokio's paused clock stands still while a blocking task
//! runs: a test's hours pass between transactions, never during one.
//!
//! **No wait is without an end.** Another process's lock ends a transaction after SQLite's busy time-out, and with it
//! everybody's who is in it; a disk that is silent ends the waits for it after [`Patience::limit`]. Who stops waiting,
//! for this reason or by dropping the future, takes the request back: unless the commit has begun, it is not done.

mod commit;
mod request;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use lamplighter::{backend::StoreError, env::Env};
use rusqlite::Connection;
use tokio::sync::oneshot;

use self::{
    commit::Core,
    request::{Answer, Call, Request, closed},
};
use super::{identity::Named, patience::Patience, signals::Signals, transaction::Transaction};
use crate::error::FileLost;

/// Rows in one transaction, about: it then stays below some 50 ms, for which other requests and processes wait.
const LARGEST: usize = 8192;

/// How long the task waits for more when it has done all: about what it takes to start it again.
const LINGER: Duration = Duration::from_micros(40);

/// The one writer of this process.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Inner>);

struct Inner {
    pending: Mutex<Pending>,
    core: Mutex<Core>,
    signals: Arc<Signals>,
    env: Env,
    location: Arc<str>,
    /// Which file it is; `None` in memory.
    named: Option<Named>,
    lost: OnceLock<FileLost>,
    /// `None` in memory, where no disk can be silent.
    patience: Option<Arc<Patience>>,
}

#[derive(Default)]
struct Pending {
    requests: VecDeque<Box<dyn Request>>,
    /// Whether a task is at work, or about to be.
    active: bool,
    /// Nothing more is taken.
    closed: bool,
}

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        env: Env,
        signals: Arc<Signals>,
        location: Arc<str>,
        named: Option<Named>,
        patience: Option<Arc<Patience>>,
    ) -> Self {
        let (core, lost) = (Mutex::new(Core::new(connection)), OnceLock::new());
        Self(Arc::new(Inner { pending: Mutex::default(), core, signals, env, location, named, lost, patience }))
    }

    /// Does `work` in a transaction, together with what others ask for at the same time. When this returns a success,
    /// it is committed. When its future is dropped before the commit has begun, nothing is done. `rows` is how many
    /// rows it will write, about.
    pub(crate) async fn run<T, F>(&self, rows: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.begin(rows, work).get().await
    }

    /// As [`run`](Self::run), but asked for at once: the answer may be awaited later.
    pub(crate) fn begin<T, F>(&self, rows: usize, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (tell, receiver) = oneshot::channel();
        let wait = self.0.patience.as_ref().map(|patience| patience.begin());
        let call = Box::new(Call { rows, asked_at: Instant::now(), work, answer: None, tell });
        let answer = Answer { receiver, wait, inner: self.0.clone() };
        let start = {
            let mut pending = self.0.pending();
            if pending.closed {
                drop(pending);
                call.answer(Err(closed(&self.0.location)));
                return answer;
            }
            pending.requests.push_back(call);
            !std::mem::replace(&mut pending.active, true)
        };
        if start {
            let task = Task { inner: self.0.clone(), ended: false };
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || task.run())),
                Err(_) => task.run(),
            }
        }
        answer
    }

    /// Reads through the writer's connection: the only one that there is when the data is in memory. Sees what has
    /// been committed.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run(0, move |tx| work(tx.connection)).await
    }

    /// Whether nothing is being written, and nobody waits for it.
    pub(crate) fn is_idle(&self) -> bool {
        let pending = self.0.pending();
        !pending.active && pending.requests.is_empty()
    }

    /// Whether the file is still the one that was opened.
    pub(crate) fn check(&self) -> Result<(), FileLost> {
        self.0.check()
    }

    /// Copies the log into the file, as far as nobody reads an older state of it, and waits for nobody.
    pub(crate) fn checkpoint(&self) {
        let core = self.0.core();
        let Some(connection) = &core.connection else { return };
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::debug!(file = &*self.0.location, %error, "the log could not be copied into the file");
        }
    }

    /// Does what has been asked for so far, takes nothing more, and closes the connection. Blocks its thread.
    pub(crate) fn close(&self) {
        self.0.pending().closed = true;
        let mut core = self.0.core();
        while let Some(requests) = self.0.take() {
            self.0.perform(&mut core, requests);
        }
        if let Some(Err((_, error))) = core.connection.take().map(Connection::close) {
            tracing::warn!(file = &*self.0.location, %error, "the file could not be closed in order");
        }
    }
}

/// The task at work.
struct Task {
    inner: Arc<Inner>,
    ended: bool,
}

impl Task {
    fn run(mut self) {
        let inner = self.inner.clone();
        let mut core = inner.core();
        while let Some(requests) = self.take_or_linger() {
            inner.perform(&mut core, requests);
        }
    }

    /// A caller that was just answered often asks again immediately: waiting for that is cheaper than being woken for it.
    fn take_or_linger(&mut self) -> Option<Vec<Box<dyn Request>>> {
        let began = Instant::now();
        while self.inner.pending().requests.is_empty() && began.elapsed() < LINGER {
            std::thread::yield_now();
        }
        let taken = self.inner.take();
        self.ended = taken.is_none();
        taken
    }
}

impl Drop for Task {
    /// Without an end: the runtime was shut down before it began, or a bug made it panic. Who waits is told, and the
    /// next request starts another task.
    fn drop(&mut self) {
        if !self.ended {
            let mut pending = self.inner.pending();
            pending.active = false;
            pending.requests.clear();
        }
    }
}

impl Inner {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is waiting, as far as it fits into one transaction.
    fn take(&self) -> Option<Vec<Box<dyn Request>>> {
        let mut pending = self.pending();
        let (mut count, mut rows) = (0, 0);
        for request in &pending.requests {
            rows += request.rows();
            if count > 0 && rows > LARGEST {
                break;
            }
            count += 1;
        }
        if count == 0 {
            pending.active = false;
            return None;
        }
        Some(pending.requests.drain(..count).collect())
    }

    /// The answer for somebody who has waited for long enough. What waited before, and was given up, goes: a disk that
    /// stays silent must not fill the memory.
    fn give_up(&self) -> StoreError {
        let mut pending = self.pending();
        while pending.requests.front().is_some_and(|request| request.is_abandoned()) {
            pending.requests.pop_front();
        }
        let limit = self.patience.as_ref().map_or(0, |patience| patience.limit().as_secs());
        StoreError::unavailable(format_args!(
            "{}: the disk has not answered for {limit} s; look at the machine's log. Whether this was written is not known",
            self.location
        ))
    }

    fn check(&self) -> Result<(), FileLost> {
        if let Some(lost) = self.lost.get() {
            return Err(lost.clone());
        }
        match self.named.as_ref().map_or(Ok(()), Named::check) {
            Ok(()) => Ok(()),
            Err(lost) => {
                tracing::error!(file = &*self.location, "{lost}");
                Err(self.lost.get_or_init(|| lost).clone())
            }
        }
    }
}
