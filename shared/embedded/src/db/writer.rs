//! The one writer of this process: what is asked of it at the same time becomes one transaction.
//!
//! Requests go into a queue. Whoever puts the first one in starts a task on tokio's blocking threads, which takes all
//! that is waiting, runs it as one transaction, answers each request after the commit, and goes on until nothing is
//! left. It is a task rather than a thread of its own because tokio's paused clock stands still while a blocking task
//! runs: a test's hours pass between transactions, never during one.
//!
//! **No wait is without an end.** Another process's lock ends a transaction after SQLite's busy time-out, and with it
//! everybody's who is in it; a disk that is silent ends the waits for it after [`Patience::limit`]. Who stops waiting,
//! for this reason or by dropping the future, takes the request back: unless the commit has begun, it is not done.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    env::Env,
};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::{
    catalog::Catalog,
    connection::BUSY,
    identity::Named,
    patience::{Patience, Wait},
    signals::Signals,
    transaction::Transaction,
    upkeep,
};
use crate::{
    error::{FileLost, is_of_the_file, store_error},
    operations::clock,
    time,
};

/// Rows in one transaction, about: it then stays below some 50 ms, for which other requests and processes wait.
const LARGEST: usize = 8192;

/// How long the task waits for more when it has done all: about what it takes to start it again.
const LINGER: Duration = Duration::from_micros(40);

/// How often it is looked at most whether the file is still the one that was opened: a look costs as much as a job.
const CHECK_AGAIN: Duration = Duration::from_millis(1);

/// How often it is said that the file still cannot be written.
const SAY_AGAIN: Duration = Duration::from_secs(30);
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

struct Core {
    /// `None` once it is closed.
    connection: Option<Connection>,
    catalog: Catalog,
    /// SQLite's number for what others have written.
    version: i64,
    /// Since when the file cannot be written, and when that was said last.
    trouble: Option<(Instant, Instant)>,
    /// When it was last looked whether the file is still the one that was opened.
    checked: Option<Instant>,
    /// When the log was emptied since the disk was full.
    emptied: Option<Instant>,
}

/// Why a transaction came to nothing.
enum Failure {
    /// One of the requests may be to blame.
    Request(rusqlite::Error),
    /// Nothing can be written now, whatever is asked.
    File(rusqlite::Error),
    Lost(FileLost),
    Closed,
}

/// Something to be done in a transaction. It may be run more than once: when a transaction of several fails, each is
/// tried again by itself, so that one does not fail for another's sake.
trait Request: Send {
    fn rows(&self) -> usize;
    fn asked_at(&self) -> Instant;
    fn run(&mut self, tx: &mut Transaction<'_>) -> rusqlite::Result<()>;
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Call<F, T> {
    rows: usize,
    asked_at: Instant,
    work: F,
    answer: Option<T>,
    tell: oneshot::Sender<Result<T, StoreError>>,
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

fn closed(location: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, format_args!("{location} was closed by this process; open it again"))
}

/// An answer that is on its way.
pub(crate) struct Answer<T> {
    receiver: oneshot::Receiver<Result<T, StoreError>>,
    wait: Option<Wait>,
    inner: Arc<Inner>,
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

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        env: Env,
        signals: Arc<Signals>,
        location: Arc<str>,
        named: Option<Named>,
        patience: Option<Arc<Patience>>,
    ) -> Self {
        let core = Core {
            connection: Some(connection),
            catalog: Catalog::default(),
            version: -1,
            trouble: None,
            checked: None,
            emptied: None,
        };
        let (core, lost) = (Mutex::new(core), OnceLock::new());
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

    /// Whoever was just answered often asks again at once: waiting for that is cheaper than being woken for it.
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

    /// Those who have waited for a lock of another process behind others, and for so long that the same wait once more
    /// would be too much.
    fn take_who_waited(&self, failure: &Failure) -> Vec<Box<dyn Request>> {
        let busy =
            matches!(failure, Failure::File(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy));
        let long = |asked_at: Instant| asked_at.elapsed() >= BUSY / 2;
        let mut pending = self.pending();
        let count =
            if busy { pending.requests.iter().take_while(|request| long(request.asked_at())).count() } else { 0 };
        pending.requests.drain(..count).collect()
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

    fn error(&self, failure: &Failure) -> StoreError {
        match failure {
            Failure::Request(error) | Failure::File(error) => store_error(&self.location, error),
            Failure::Lost(lost) => lost.into(),
            Failure::Closed => closed(&self.location),
        }
    }

    fn perform(&self, core: &mut Core, mut requests: Vec<Box<dyn Request>>) {
        let began = Instant::now();
        let count = requests.len();
        match self.transact(core, &mut requests) {
            Ok(()) => {
                for request in requests {
                    request.answer(Ok(()));
                }
            }
            Err(Failure::Request(error)) if requests.len() > 1 => {
                tracing::warn!(file = &*self.location, %error, count, "a transaction failed; its parts are tried singly");
                for request in requests {
                    let mut single = vec![request];
                    let outcome = self.transact(core, &mut single).map_err(|failure| self.error(&failure));
                    for request in single {
                        request.answer(outcome.clone());
                    }
                }
            }
            Err(failure) => {
                let error = self.error(&failure);
                for request in requests.into_iter().chain(self.take_who_waited(&failure)) {
                    request.answer(Err(error.clone()));
                }
            }
        }
        if began.elapsed() > Duration::from_secs(1) {
            tracing::warn!(file = &*self.location, ms = began.elapsed().as_millis(), count, "a slow transaction");
        }
    }

    /// Runs the requests in one transaction, but for those that nobody waits for any more: they go from the list.
    fn transact(&self, core: &mut Core, requests: &mut Vec<Box<dyn Request>>) -> Result<(), Failure> {
        if let Some(lost) = self.lost.get() {
            return Err(Failure::Lost(lost.clone()));
        }
        loop {
            requests.retain(|request| !request.is_abandoned());
            if requests.is_empty() {
                return Ok(());
            }
            match self.attempt(core, requests) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(Failure::File(error)) if self.makes_room(core, &error) => {}
                Err(Failure::File(error)) => {
                    self.say_trouble(core, &error);
                    return Err(Failure::File(error));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// `false`: nothing was written, since somebody whose request was in it has gone away meanwhile.
    fn attempt(&self, core: &mut Core, requests: &mut [Box<dyn Request>]) -> Result<bool, Failure> {
        let Core { connection, catalog, version, .. } = core;
        let Some(connection) = &*connection else { return Err(Failure::Closed) };
        if !connection.is_autocommit() {
            // A panic in the middle of the last one.
            connection.execute_batch("ROLLBACK").map_err(Failure::File)?;
            catalog.forget();
        }
        let begin = || connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]);
        begin().map_err(Failure::File)?;
        let written = connection.total_changes();
        let mut run = || {
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
            let mut tx = Transaction::new(connection, catalog, now);
            tx.catalog.latest = Some(now);
            tx.leapt = self.signals.has_just_leapt();
            if set_back {
                clock::set_right(&mut tx, latest)?;
            }
            for request in requests.iter_mut() {
                request.run(&mut tx)?;
            }
            let effects = tx.finish()?;
            if requests.iter().any(|request| request.is_abandoned()) {
                return Ok(None);
            }
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(Some(effects))
        };
        let outcome = run();
        if !matches!(outcome, Ok(Some(_))) {
            catalog.forget();
            if !connection.is_autocommit() {
                // SQLite has rolled back by itself after the worst errors; after the others it must be told.
                connection.execute_batch("ROLLBACK").map_err(Failure::File)?;
            }
        }
        match outcome {
            Ok(Some(effects)) => {
                // A job that was acknowledged a moment before the file was removed is as lost as one a moment after.
                let wrote = connection.total_changes() != written;
                if core.checked.is_none_or(|at| at.elapsed() >= CHECK_AGAIN) {
                    self.check().map_err(Failure::Lost)?;
                    core.checked = Some(Instant::now());
                }
                if wrote {
                    self.say_well(core);
                }
                self.signals.publish(&effects);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if is_of_the_file(&error) => Err(Failure::File(error)),
            Err(error) => Err(Failure::Request(error)),
        }
    }

    /// On a full disk, what the log holds fits into the file for the most part, and then the log's own room is free.
    fn makes_room(&self, core: &mut Core, error: &rusqlite::Error) -> bool {
        let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        if !full || core.emptied.is_some_and(|at| at.elapsed() < EMPTY_AGAIN) {
            return false;
        }
        let Some(connection) = &core.connection else { return false };
        core.emptied = Some(Instant::now());
        let emptied = upkeep::checkpoint(connection).unwrap_or(false);
        tracing::warn!(file = &*self.location, log_emptied = emptied, "the disk is full");
        true
    }

    fn say_trouble(&self, core: &mut Core, error: &rusqlite::Error) {
        let now = Instant::now();
        let (since, said) = core.trouble.unwrap_or((now, now));
        if core.trouble.is_none() || now.duration_since(said) >= SAY_AGAIN {
            let (seconds, error) = (now.duration_since(since).as_secs(), store_error(&self.location, error));
            tracing::error!(%error, seconds, "the file cannot be written; it is tried again");
            core.trouble = Some((since, now));
        }
    }

    /// To be called after a write: a transaction that wrote nothing also succeeds on a full disk.
    fn say_well(&self, core: &mut Core) {
        if let Some((since, _)) = core.trouble.take() {
            let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(file = &*self.location, ms, "the file can be written again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::db::{connection::Location, schema};

    fn writer(limit: Duration) -> Writer {
        let connection = Connection::open_in_memory().unwrap();
        schema::bring_up_to_date(&connection, &Location::Memory).unwrap();
        let patience = Some(Arc::new(Patience::new(limit).unwrap()));
        Writer::new(connection, Env::system(), Arc::new(Signals::new()), "jobs.db".into(), None, patience)
    }

    #[tokio::test]
    async fn who_waits_for_a_disk_that_is_silent_is_told_and_what_they_asked_for_is_not_done_later() {
        let writer = writer(Duration::from_millis(50));
        let (answers, silent) = mpsc::channel::<()>();
        let hangs = writer.run(1, move |tx| {
            // As a thread that waits for a disk: neither an error nor an answer.
            let _ = silent.recv();
            tx.queue("hung").map(drop)
        });
        let waits = writer.run(1, |tx| tx.queue("waited").map(drop));
        for outcome in [hangs.await, waits.await] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.to_string().contains("the disk has not answered"), "{error}");
        }
        drop(answers);
        let names = writer.read(|connection| {
            connection.prepare("SELECT name FROM queues")?.query_map([], |row| row.get::<_, String>(0))?.collect()
        });
        let names: Vec<String> = names.await.unwrap();
        assert!(names.is_empty(), "{names:?}");
    }

    #[tokio::test]
    async fn what_is_given_up_does_not_gather() {
        let writer = writer(Duration::from_millis(20));
        let (answers, silent) = mpsc::channel::<()>();
        let hangs = writer.run(1, move |_| Ok(silent.recv().is_ok()));
        assert!(hangs.await.is_err());
        for _ in 0..5 {
            assert!(writer.run(1, |_| Ok(())).await.is_err());
        }
        assert!(writer.0.pending().requests.is_empty());
        drop(answers);
        writer.run(1, |tx| tx.queue("after").map(drop)).await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_done_does_not_fail_its_neighbours() {
        let writer = writer(Duration::from_secs(60));
        let bad = writer.begin(1, |tx| tx.connection.execute("INSERT INTO nowhere VALUES (1)", []));
        let good = writer.begin(1, |tx| tx.queue("good").map(drop));
        assert!(bad.get().await.is_err());
        good.get().await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_fails_everybody_at_once_and_it_is_known_when_there_is_room_again() {
        let writer = writer(Duration::from_secs(60));
        let grow = |name: &'static str| writer.run(1, move |tx| tx.queue(&name.repeat(100_000)).map(drop));
        let limit = |pages: i64| {
            writer.read(move |connection| {
                connection.pragma_update(None, "max_page_count", pages)?;
                Ok(())
            })
        };
        limit(1).await.unwrap();
        let (one, two) = tokio::join!(grow("a"), grow("b"));
        for outcome in [one, two] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.to_string().contains("the disk is full"), "{error}");
        }
        assert!(writer.0.core().trouble.is_some());
        limit(1 << 20).await.unwrap();
        assert!(writer.0.core().trouble.is_some(), "what writes nothing proves nothing");
        grow("c").await.unwrap();
        assert!(writer.0.core().trouble.is_none());
    }
}
