//! An open file.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use lamplighter::{
    Client, EnqueueError, JobId, Queue,
    backend::{Backend, Operator, StoreError},
    env::Env,
};

use crate::{
    db::{
        connection::{self, Location},
        patience::Patience,
        read_only,
        readers::Readers,
        signals::Signals,
        transaction::Transaction,
        upkeep::{self, Compacted},
        writer::{Log, Writer},
    },
    error::{FileLost, OpenError},
    operations::enqueue,
    operator::SqliteOperator,
    settings::{Durability, Settings},
    store::SqliteStore,
};

/// The longest wait for the disk: twice SQLite's busy time-out, so that waits for other processes' locks end earlier,
/// with their own error.
const LONGEST_WAIT: Duration = connection::BUSY.saturating_mul(2);

/// An open job file, or a job store in memory. Clones are cheap and share everything.
#[derive(Clone)]
pub struct SqliteBackend(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) location: Location,
    pub(crate) settings: Settings,
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) signals: Arc<Signals>,
    pub(crate) store: Arc<SqliteStore>,
    /// Whether an engine runs on this value or a clone.
    pub(crate) engine: AtomicBool,
    patience: Option<Arc<Patience>>,
    pragmas: Vec<(String, String)>,
}

impl SqliteBackend {
    /// Opens a file. Creates it with mode 0600 and missing folders with 0700, regardless of the umask. An existing file
    /// that is open to all users is set to 0600; one that is open to a group only is left unchanged.
    ///
    /// # Errors
    /// When the file or its folder cannot be created or written, when the file holds other data, or when a newer
    /// version created it. A file that is refused is left unchanged, and nothing is created beside it.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        Self::at(Location::file(path.as_ref())?, settings)
    }

    /// Opens an existing file for reading only, even where neither the file nor its folder may be written. Every call
    /// that would change the file fails.
    ///
    /// # Errors
    /// When the file cannot be read, when it holds other data, or when another version created it.
    pub fn read_only(path: impl AsRef<Path>, settings: Settings) -> Result<Self, OpenError> {
        let location = Location::file(path.as_ref())?;
        // Before it is opened: one that is replaced meanwhile is noticed too.
        let named = location.named().ok().flatten();
        let connection = read_only::open(location.path())?;
        let signals = Arc::new(Signals::new());
        let name: Arc<str> = location.path().display().to_string().into();
        let writer = Writer::new(connection, settings.env.clone(), signals.clone(), name, named, None, None);
        let readers = Readers::read_only(location.clone(), settings.durability, writer.clone());
        let store = Arc::new(SqliteStore::new(writer.clone(), readers.clone(), settings.env.clone(), signals.clone()));
        let (engine, patience, pragmas) = (AtomicBool::new(false), None, Vec::new());
        Ok(Self(Arc::new(Inner { location, settings, writer, readers, signals, store, engine, patience, pragmas })))
    }

    /// Creates a job store in memory, for tests. It is deleted with its last clone.
    ///
    /// # Errors
    /// When SQLite does not start.
    pub fn memory(env: Env) -> Result<Self, OpenError> {
        Self::at(Location::Memory, Settings::new().env(env))
    }

    fn at(location: Location, settings: Settings) -> Result<Self, OpenError> {
        let (mut connection, named) = connection::writer(&location, settings.durability)?;
        let unusable = |error: rusqlite::Error| connection::unusable(location.path(), &error);
        let pragmas = connection::report(&connection).map_err(unusable)?;
        let log = Log::new(&mut connection, &location, settings.durability).map_err(unusable)?;
        let signals = Arc::new(Signals::new());
        let name: Arc<str> = location.path().display().to_string().into();
        let patience = match &location {
            Location::Memory => None,
            Location::File { path, .. } => {
                let patience = Patience::new(LONGEST_WAIT).map_err(|error| OpenError::no_thread(path, &error))?;
                Some(Arc::new(patience))
            }
        };
        let writer = Writer::new(connection, settings.env.clone(), signals.clone(), name, named, patience.clone(), log);
        let readers = Readers::new(location.clone(), settings.durability, writer.clone(), patience.clone());
        let store = Arc::new(SqliteStore::new(writer.clone(), readers.clone(), settings.env.clone(), signals.clone()));
        let engine = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { location, settings, writer, readers, signals, store, engine, patience, pragmas })))
    }

    /// Returns a client that enqueues and reads jobs.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.backend(), self.env().clone())
    }

    /// Returns the file as the core's backend.
    #[must_use]
    pub fn backend(&self) -> Backend {
        let store = &self.0.store;
        Backend::new(store.clone())
            .with_store(store.clone())
            .with_schedules(store.clone())
            .with_batches(store.clone())
            .with_errors(store.clone())
            .with_rollups(store.clone())
            .with_operations(store.clone())
    }

    /// Returns an operator for its queues: their state, pausing and resuming, dead letters.
    #[must_use]
    pub fn operator(&self) -> Arc<dyn Operator> {
        Arc::new(SqliteOperator(self.clone()))
    }

    /// Returns the clock and the randomness.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.0.settings.env
    }

    /// Returns the file's path; `None` for a store in memory.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        match &self.0.location {
            Location::File { path, .. } => Some(path.clone()),
            Location::Memory => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn location(&self) -> &Location {
        &self.0.location
    }

    /// Returns what an acknowledged write survives.
    #[must_use]
    pub fn durability(&self) -> Durability {
        self.0.settings.durability
    }

    /// Returns SQLite's settings that affect durability and speed, as read back on the writing connection.
    #[must_use]
    pub fn pragmas(&self) -> &[(String, String)] {
        &self.0.pragmas
    }

    /// Checks that the file is still the one that was opened. Once it is not, every call fails, with this error.
    ///
    /// # Errors
    /// When the file was removed, renamed or replaced.
    pub fn check(&self) -> Result<(), FileLost> {
        self.0.writer.check()
    }

    /// Closes the file, also for clones of this value and for clients: completes earlier requests, and fails later
    /// ones. Once no process has it open, everything is in the one file, without logs beside it. The same happens
    /// shortly after the last clone and the last client are dropped; this call does not depend on a handler that still
    /// runs, and can be awaited.
    ///
    /// Stop an engine on it first ([`Running::stop`](crate::Running::stop)).
    ///
    /// # Errors
    /// When the disk does not answer.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (writer, readers) = (self.0.writer.clone(), self.0.readers.clone());
        self.patiently(move || {
            readers.close();
            writer.close();
        })
        .await
    }

    /// Runs blocking work on a thread outside the runtime, and waits for it no longer than for any other call.
    pub(crate) async fn patiently(&self, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            work();
            return Ok(());
        };
        let mut working = runtime.spawn_blocking(work);
        let ended = match &self.0.patience {
            None => working.await,
            Some(patience) => {
                let mut wait = patience.begin();
                tokio::select! {
                    biased;
                    ended = &mut working => ended,
                    () = wait.over() => {
                        let (path, limit) = (self.0.location.path().display(), patience.limit().as_secs());
                        let text = format_args!("{path}: the disk has not answered for {limit} s; check the machine's log");
                        return Err(StoreError::unavailable(text));
                    }
                }
            }
        };
        ended.map_err(StoreError::unavailable)
    }

    /// Rewrites the file without the free space that deleted records have left in it (which new jobs would reuse).
    /// Takes about a second per 100 MB that remain, and twice that size in free disk space; nothing can be written
    /// meanwhile. An engine does this when it starts, if most of the file is free.
    ///
    /// # Errors
    /// When the disk is too full for it, or when another process writes for longer than a few seconds.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        let (location, durability) = (self.0.location.clone(), self.durability());
        if matches!(location, Location::Memory) {
            return Ok(Compacted { before: 0, after: 0 });
        }
        let rewrite = move || upkeep::compact(&location, durability, false);
        match tokio::task::spawn_blocking(rewrite).await {
            Ok(Ok(compacted)) => Ok(compacted.unwrap_or(Compacted { before: 0, after: 0 })),
            Ok(Err(error)) => Err(StoreError::unavailable(error)),
            Err(error) => Err(StoreError::unavailable(error)),
        }
    }

    /// Stores these queues and their kinds, for every process that uses the file. An engine does this for its
    /// functions' queues; a producer that starts before the first engine may do it for its FIFO queues.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn declare(&self, queues: &[Queue]) -> Result<(), StoreError> {
        let queues = queues.to_vec();
        self.0.writer.run(queues.len(), move |tx| queues.iter().try_for_each(|queue| tx.declare(queue))).await
    }

    /// Sends a body to a queue unchanged, as a sender in any language would. Returns the message's id, which becomes
    /// the job's id if the body has none.
    ///
    /// # Errors
    /// When the file cannot be written, or the body is larger than the limit of SQS.
    pub async fn send_raw(&self, queue: &str, body: impl Into<String>) -> Result<JobId, EnqueueError> {
        let (queue, body) = (queue.to_owned(), body.into());
        if body.len() > lamplighter::message::MAX_MESSAGE_BYTES {
            let (bytes, limit) = (body.len(), lamplighter::message::MAX_MESSAGE_BYTES);
            return Err(EnqueueError::TooLarge { job: "this message".into(), bytes, limit });
        }
        let id = JobId::generate(self.env());
        let message = id.clone();
        let put = move |tx: &mut Transaction<'_>| enqueue::inject(tx, &queue, message.as_str(), &body, None);
        self.0.writer.run(1, put).await?;
        Ok(id)
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("location", &self.0.location).finish_non_exhaustive()
    }
}
