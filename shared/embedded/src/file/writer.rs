//! The one writer of this process: what is asked of it at the same time becomes one transaction.
//!
//! Requests go into a queue. Whoever puts the first one in starts a task on tokio's blocking threads, which takes all
//! that is waiting, runs it as one transaction, answers each request after the commit, and goes on until nothing is
//! left. It is a task rather than a thread of its own because tokio's paused clock stands still while a blocking task
//! runs: a test's hours pass between transactions, never during one.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lamplighter::{Env, StoreError};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::{catalog::Catalog, signals::Signals, unit::Unit, upkeep};
use crate::{error::store_error, time, work::clock};

/// Rows in one transaction, about: it then stays below some 50 ms, for which other requests and processes wait.
const LARGEST: usize = 8192;

/// How long the task waits for more when it has done all: about what it takes to start it again.
const LINGER: Duration = Duration::from_micros(40);

/// While the disk stays full, the log is emptied no more often than this.
const EMPTY_AGAIN: Duration = Duration::from_secs(5);

/// The one writer of this process.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Inner>);

struct Inner {
    pending: Mutex<Pending>,
    core: Mutex<Core>,
    signals: Arc<Signals>,
    env: Env,
    location: Arc<str>,
}

#[derive(Default)]
struct Pending {
    requests: VecDeque<Box<dyn Request>>,
    /// Whether a task is at work, or about to be.
    active: bool,
}

struct Core {
    connection: Connection,
    catalog: Catalog,
    /// SQLite's number for what others have written.
    version: i64,
    /// When the log was emptied since the disk was full.
    emptied: Option<Instant>,
}

/// Something to be done in a transaction. It may be run more than once: when a transaction of several fails, each is
/// tried again by itself, so that one does not fail for another's sake.
trait Request: Send {
    fn rows(&self) -> usize;
    fn run(&mut self, unit: &mut Unit<'_>) -> rusqlite::Result<()>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Call<F, T> {
    rows: usize,
    work: F,
    answer: Option<T>,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Request for Call<F, T>
where
    F: FnMut(&mut Unit<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn run(&mut self, unit: &mut Unit<'_>) -> rusqlite::Result<()> {
        self.answer = Some((self.work)(unit)?);
        Ok(())
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

impl Writer {
    pub(crate) fn new(connection: Connection, env: Env, signals: Arc<Signals>, location: Arc<str>) -> Self {
        let core = Mutex::new(Core { connection, catalog: Catalog::default(), version: -1, emptied: None });
        Self(Arc::new(Inner { pending: Mutex::default(), core, signals, env, location }))
    }

    /// Does `work` in a transaction, together with what others ask for at the same time. When this returns a success,
    /// it is committed. `rows` is how many rows it will write, about.
    pub(crate) async fn run<T, F>(&self, rows: usize, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.begin(rows, work).await.unwrap_or_else(|_| Err(gone()))
    }

    /// As [`run`](Self::run), but asked for at once: the answer may be awaited later.
    pub(crate) fn begin<T, F>(&self, rows: usize, work: F) -> oneshot::Receiver<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: FnMut(&mut Unit<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (tell, answer) = oneshot::channel();
        let start = {
            let mut pending = self.0.pending();
            pending.requests.push_back(Box::new(Call { rows, work, answer: None, tell }));
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
        self.run(0, move |unit| work(unit.connection)).await
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

    /// Whoever was just answered often asks again at once: waiting for that is cheaper than being woken for it.
    fn take_or_linger(&mut self) -> Option<Vec<Box<dyn Request>>> {
        let began = Instant::now();
        while self.inner.pending().requests.is_empty() && began.elapsed() < LINGER {
            std::thread::yield_now();
        }
        self.take()
    }

    /// What is waiting, as far as it fits into one transaction.
    fn take(&mut self) -> Option<Vec<Box<dyn Request>>> {
        let mut pending = self.inner.pending();
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
            self.ended = true;
            return None;
        }
        Some(pending.requests.drain(..count).collect())
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

    fn perform(&self, core: &mut Core, mut requests: Vec<Box<dyn Request>>) {
        let began = Instant::now();
        let mut outcome = self.transact(core, &mut requests);
        if let Err(error) = &outcome
            && error.sqlite_error_code() == Some(ErrorCode::DiskFull)
            && core.emptied.is_none_or(|at| at.elapsed() >= EMPTY_AGAIN)
        {
            // What the log holds fits into the file for the most part, and the room of the log is then free.
            core.emptied = Some(began);
            let emptied = upkeep::checkpoint(&core.connection);
            tracing::warn!(file = &*self.location, log_emptied = emptied.unwrap_or(false), "the disk is full");
            outcome = self.transact(core, &mut requests);
        }
        let count = requests.len();
        match outcome {
            Ok(()) => {
                for request in requests {
                    request.answer(Ok(()));
                }
            }
            Err(error) if count == 1 => {
                for request in requests {
                    request.answer(Err(store_error(&self.location, &error)));
                }
            }
            Err(error) => {
                tracing::warn!(file = &*self.location, %error, count, "a transaction failed; its parts are tried singly");
                for mut request in requests {
                    let outcome = self.transact(core, std::slice::from_mut(&mut request));
                    request.answer(outcome.map_err(|error| store_error(&self.location, &error)));
                }
            }
        }
        if began.elapsed() > Duration::from_secs(1) {
            tracing::warn!(file = &*self.location, ms = began.elapsed().as_millis(), count, "a slow transaction");
        }
    }

    fn transact(&self, core: &mut Core, requests: &mut [Box<dyn Request>]) -> rusqlite::Result<()> {
        let Core { connection, catalog, version, .. } = core;
        if !connection.is_autocommit() {
            // A panic in the middle of the last one.
            connection.execute_batch("ROLLBACK")?;
            catalog.forget();
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let seen = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if *version != seen {
            catalog.forget();
            *version = seen;
        }
        let latest = match catalog.latest {
            Some(latest) => latest,
            None => clock::latest(connection)?,
        };
        let shown = time::nearest(self.env.now());
        // Zero: nothing has been written yet.
        if latest > 0 && shown > time::after(latest, clock::LEAP) {
            self.signals.leapt();
        }
        let set_back = latest > time::after(shown, clock::SLACK);
        let now = if set_back { shown } else { shown.max(latest) };
        let mut unit = Unit::new(connection, catalog, now);
        unit.catalog.latest = Some(now);
        unit.leapt = self.signals.has_just_leapt();
        let run = || {
            if set_back {
                clock::set_right(&mut unit, latest)?;
            }
            for request in requests {
                request.run(&mut unit)?;
            }
            unit.finish()
        };
        let outcome = run().and_then(|effects| {
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(effects)
        });
        match outcome {
            Ok(effects) => {
                self.signals.publish(&effects);
                Ok(())
            }
            Err(error) => {
                catalog.forget();
                if !connection.is_autocommit() {
                    // SQLite has rolled back by itself after the worst errors; after the others it must be told.
                    connection.execute_batch("ROLLBACK")?;
                }
                Err(error)
            }
        }
    }
}
