//! Connections that read concurrently with the writer.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lamplighter::backend::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use super::{
    connection::{self, Location},
    patience::Patience,
    read_only,
    writer::Writer,
};
use crate::{
    error::{OpenError, store_error},
    settings::Durability,
};

/// Idle connections kept for the next reads.
const KEPT: usize = 8;
/// The longest wait of a close for reads in progress: the last of them closes its own connection.
const LAST_READS: Duration = Duration::from_secs(2);

/// Reads concurrently with the writer, each from the last commit.
#[derive(Clone)]
pub(crate) struct Readers(Arc<Inner>);

struct Inner {
    location: Location,
    durability: Durability,
    read_only: bool,
    pool: Mutex<Pool>,
    returned: Condvar,
    writer: Writer,
    /// `None` in memory.
    patience: Option<Arc<Patience>>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    /// Reads in progress.
    out: usize,
    closed: bool,
}

impl Readers {
    pub(crate) fn new(
        location: Location,
        durability: Durability,
        writer: Writer,
        patience: Option<Arc<Patience>>,
    ) -> Self {
        let (pool, returned) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Inner { location, durability, read_only: false, pool, returned, writer, patience }))
    }

    /// Creates readers of a read-only file.
    pub(crate) fn read_only(location: Location, durability: Durability, writer: Writer) -> Self {
        let (pool, returned) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Inner { location, durability, read_only: true, pool, returned, writer, patience: None }))
    }

    /// Reads from one snapshot of the file. Fails after a wait of [`Patience::limit`]; dropping the future leaves
    /// nothing in progress.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        if matches!(self.0.location, Location::Memory) {
            return self.0.writer.read(work).await;
        }
        match tokio::runtime::Handle::try_current() {
            Err(_) => self.0.read(work),
            Ok(runtime) => {
                let inner = self.0.clone();
                let mut read = runtime.spawn_blocking(move || inner.read(work));
                let ended = match &self.0.patience {
                    None => read.await,
                    Some(patience) => {
                        let mut wait = patience.begin();
                        tokio::select! {
                            biased;
                            ended = &mut read => ended,
                            () = wait.over() => return Err(self.0.give_up(patience.limit())),
                        }
                    }
                };
                ended.unwrap_or_else(|error| Err(StoreError::unavailable(format_args!("a read did not end: {error}"))))
            }
        }
    }

    /// Closes the connections. Blocks its thread until the last read has ended, for a limited time.
    pub(crate) fn close(&self) {
        let began = Instant::now();
        let mut pool = self.0.pool();
        pool.closed = true;
        pool.idle.clear();
        while pool.out > 0 && began.elapsed() < LAST_READS {
            let waited = self.0.returned.wait_timeout(pool, LAST_READS);
            pool = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inner {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_up(&self, limit: Duration) -> StoreError {
        let (path, limit) = (self.location.path().display(), limit.as_secs());
        let advice = "check the machine's log";
        StoreError::unavailable(format_args!("{path}: the disk has not answered for {limit} s; {advice}"))
    }

    fn open(&self) -> Result<Connection, OpenError> {
        match self.read_only {
            true => read_only::open(self.location.path()),
            false => connection::reader(&self.location, self.durability),
        }
    }

    fn read<T>(&self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = {
            let mut pool = self.pool();
            if pool.closed {
                let text = format_args!("{} was closed by this process; open it again", self.location.path().display());
                return Err(StoreError::new(StoreErrorKind::Broken, text));
            }
            pool.out += 1;
            pool.idle.pop()
        };
        let mut loan = Loan { inner: self, connection: None };
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().map_err(|error| match self.writer.check() {
                Ok(()) => StoreError::new(StoreErrorKind::Unavailable, error),
                Err(lost) => (&lost).into(),
            })?,
        };
        let connection = loan.connection.insert(connection);
        let answer = snapshot(connection, work);
        // The path of a reader that was opened just now may name another file already.
        self.writer.check().map_err(|lost| StoreError::from(&lost))?;
        answer.map_err(|error| store_error(&self.location.path().display().to_string(), &error))
    }
}

/// A connection in use, returned to the pool when dropped.
struct Loan<'a> {
    inner: &'a Inner,
    connection: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(Connection::is_autocommit);
        let mut pool = self.inner.pool();
        // After a panic, nothing was rolled back: such a connection is closed.
        let keep = !pool.closed && pool.idle.len() < KEPT && !std::thread::panicking();
        if keep {
            pool.idle.extend(connection);
        } else {
            drop(pool);
            drop(connection);
            pool = self.inner.pool();
        }
        pool.out -= 1;
        drop(pool);
        self.inner.returned.notify_all();
    }
}

fn snapshot<T>(connection: &Connection, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let answer = work(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    answer
}
