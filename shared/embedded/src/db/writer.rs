//! The one writer of this process: concurrent requests become one transaction.
//!
//! Requests go into a queue. The first request starts a task on tokio's blocking threads, which takes all waiting
//! requests, runs them as one transaction, answers each request after the commit, and continues until none is left. It
//! is a task rather than a thread of its own because tokio's paused clock stands still while a blocking task runs: a
//! test's hours pass between transactions, never during one.
//!
//! **Every wait ends.** Another process's lock ends a transaction after SQLite's busy time-out, and with it all
//! requests in it; a silent disk ends the waits for it after [`Patience::limit`]. A caller that stops waiting, for this
//! reason or by dropping the future, withdraws its request: unless the commit has begun, it is not carried out.

mod commit;
mod log;
mod look;
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

pub(crate) use self::log::Log;
use self::{
    commit::Core,
    look::Look,
    request::{Answer, Call, Request, closed},
};
use super::{identity::Named, patience::Patience, signals::Signals, transaction::Transaction};
use crate::error::FileLost;

/// The approximate number of rows in one transaction: it then takes less than about 50 ms, for which other requests and
/// processes wait.
const LARGEST: usize = 8192;

/// How long the task waits for more requests when it has completed all: about the time of starting it again.
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
    /// The file's identity; `None` in memory.
    named: Option<Named>,
    lost: OnceLock<FileLost>,
    /// `None` in memory, where no disk can be silent.
    patience: Option<Arc<Patience>>,
    /// `None` in memory, and where the file is only read.
    log: Option<Log>,
    /// The last look at the clock and the timer; `None` while no engine runs in this process.
    looked: Mutex<Option<Look>>,
}

#[derive(Default)]
struct Pending {
    requests: VecDeque<Box<dyn Request>>,
    /// Whether a task runs, or is about to.
    active: bool,
    /// Whether new requests are refused.
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
        log: Option<Log>,
    ) -> Self {
        let (core, lost) = (Mutex::new(Core::new(connection)), OnceLock::new());
        let (pending, looked) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { pending, core, signals, env, location, named, lost, patience, log, looked }))
    }

    /// Runs `work` in a transaction, together with concurrent requests. When this returns a success, it is committed.
    /// If its future is dropped before the commit has begun, nothing is done. `rows` is the approximate number of rows
    /// that it will write.
    pub(crate) async fn run<T, F>(&self, rows: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.begin(rows, work).get().await
    }

    /// Like [`run`](Self::run), but submits the request immediately: the answer may be awaited later.
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

    /// Reads through the writer's connection: the only one for data in memory. Sees committed data only.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.run(0, move |tx| work(tx.connection)).await
    }

    /// Compares the clock with the timer from now on, in each transaction, or no longer.
    pub(crate) fn watch_clock(&self, on: bool) {
        let look = if on { Look::at(&self.0.env) } else { None };
        *self.0.looked() = look;
    }

    /// Returns whether the clock was set since the last transaction. Begins to compare, if that could not begin before.
    pub(crate) fn clock_was_set(&self) -> bool {
        let Some(look) = Look::at(&self.0.env) else { return false };
        let mut looked = self.0.looked();
        looked.get_or_insert(look);
        looked.is_some_and(|last| look.step_since(&last).is_some())
    }

    /// Returns whether nothing is being written or waiting to be.
    pub(crate) fn is_idle(&self) -> bool {
        let pending = self.0.pending();
        !pending.active && pending.requests.is_empty()
    }

    /// Checks that the file is still the one that was opened.
    pub(crate) fn check(&self) -> Result<(), FileLost> {
        self.0.check()
    }

    /// Copies the log into the file, as far as no reader uses an older snapshot, without waiting.
    pub(crate) fn checkpoint(&self) {
        let core = self.0.core();
        let Some(connection) = &core.connection else { return };
        if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::debug!(file = &*self.0.location, %error, "the log could not be copied into the file");
        }
    }

    /// Completes the requests so far, refuses new ones, and closes the connection. Blocks its thread.
    pub(crate) fn close(&self) {
        self.0.pending().closed = true;
        if let Some(log) = &self.0.log {
            log.close();
        }
        let mut core = self.0.core();
        while let Some(requests) = self.0.take() {
            self.0.perform(&mut core, requests);
        }
        if let Some(Err((_, error))) = core.connection.take().map(Connection::close) {
            tracing::warn!(file = &*self.0.location, %error, "the file could not be closed in order");
        }
    }
}

/// The running task.
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
            inner.look_after_log(&core);
        }
    }

    /// A caller that was just answered often sends another request immediately: waiting for it is cheaper than being
    /// woken for it.
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
    /// Dropped early: the runtime was shut down before the task began, or a bug made it panic. Waiting callers get an
    /// error, and the next request starts another task.
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

    fn looked(&self) -> MutexGuard<'_, Option<Look>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes as many waiting requests as fit into one transaction.
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

    /// Returns the error for a caller that has waited for too long. Drops older requests that were abandoned: a disk
    /// that stays silent must not fill the memory.
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
