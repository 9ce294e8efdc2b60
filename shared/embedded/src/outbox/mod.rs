//! Enqueueing in a transaction of your own, in your own SQLite database.
//!
//! A job that belongs to a change of your data is written into a table beside that data, in the same transaction: either both
//! are there, or neither. From that table a *sweeper* enqueues it, mostly within a quarter of a second, and deletes the row.
//!
//! ```
//! # use lamplighter::{Job, Queue};
//! # use lamplighter_embedded::{SqliteBackend, Settings, outbox::{self, Outbox}};
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct Mail { order: i64 }
//! # impl Job for Mail { const NAME: &'static str = "order.mail"; const QUEUE: Queue = Queue::standard("mails"); }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let path = |name| folder.path().join(name);
//! let mut shop = rusqlite::Connection::open(path("shop.db"))?;
//! shop.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)")?;
//! outbox::create(&shop)?;
//!
//! let tx = shop.transaction()?;
//! tx.execute("INSERT INTO orders VALUES (42, 'lamp oil')", [])?;
//! let id = outbox::enqueue(&tx, Mail { order: 42 })?;
//! tx.commit()?;
//!
//! // An engine does this by itself: Engine::builder(&backend).outbox("shop.db")
//! let backend = SqliteBackend::open(path("jobs.db"), Settings::default())?;
//! let swept = Outbox::new(path("shop.db")).sweep(&backend.client()).await?;
//! assert_eq!(swept.enqueued, 1);
//! assert!(backend.client().get(&id).await?.is_some());
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # With another driver
//!
//! Nothing here needs this crate's `rusqlite`. Make the table with [`CREATE`], in a migration for instance, and write a row with
//! [`INSERT`] and the two values of [`entry`], in any language and by any driver:
//!
//! ```sql
//! INSERT INTO lamplighter_outbox (entry) VALUES ('{"queue":"mails","message":{"job":"order.mail","args":{"order":42}}}')
//! ```
//!
//! The fields are those of [`OutboxEntry`]. A row without an id draws one, which is the job's.
//!
//! # What holds
//!
//! - **A committed row becomes a job, one that was rolled back none.** A crash anywhere changes nothing about that.
//! - **Once**: a row that is swept twice, after a crash or by two sweepers, is one job, as long as the job's record is kept; an
//!   untracked job has none, and may run twice.
//! - **In order**: rows are enqueued in the order of their commits' numbers, `seq`. When the job file or AWS is not
//!   available, the rest waits.
//! - **A row that cannot be enqueued blocks no other.** It stays, with its `error`: [`Outbox::failed`] and `lamp outbox` show it.
//! - **Bounded**: some hundred rows and a few megabytes at a time, each deleted in one short transaction of your database.

mod file;
mod table;

use std::{fmt, path::PathBuf};

use lamplighter::{
    Client, EnqueueError, JobId, NewJob, Timestamp,
    backend::{StoreError, StoreErrorKind},
    outbox::OutboxEntry,
};

use self::{
    file::File,
    table::{Row, Settled},
};

/// The statements that make the table, if it is not there: for your migrations.
pub const CREATE: &str = include_str!("outbox.sql");

/// The statement that writes an entry. Its parameters are the values of [`entry`]: the job's id, and the entry as text.
pub const INSERT: &str = "INSERT INTO lamplighter_outbox (id, entry) VALUES (?1, ?2)";

/// The largest entry, in bytes. Arguments above the size of a message need a store for large arguments when they are enqueued.
pub const MAX_ENTRY_BYTES: usize = 16 << 20;

/// Why a job was not written into an outbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The job cannot be enqueued.
    #[error(transparent)]
    Job(#[from] EnqueueError),
    /// SQLite refused; an outbox without a table needs [`create`] first.
    #[error("the job was not written into the outbox: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Makes the table in your database, if it is not there.
///
/// # Errors
/// When SQLite refuses.
pub fn create(connection: &rusqlite::Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)
}

/// The values of [`INSERT`] for a job: its id, and the entry as text.
///
/// # Errors
/// When the job cannot be enqueued.
pub fn entry(job: impl Into<NewJob>) -> Result<(JobId, String), EnqueueError> {
    values(&OutboxEntry::new(job)?)
}

/// Writes a job into the outbox, in the transaction that is open on this connection, and returns the job's id. A
/// [`rusqlite::Transaction`] is a connection too. Inside of a handler, [`enqueue_entry`] makes the job a child of the running one.
///
/// # Errors
/// When the job cannot be enqueued, or SQLite refuses.
pub fn enqueue(connection: &rusqlite::Connection, job: impl Into<NewJob>) -> Result<JobId, OutboxError> {
    enqueue_entry(connection, &OutboxEntry::new(job)?)
}

/// Writes an entry that was made before, as by [`Client::outbox_entry`].
///
/// # Errors
/// As [`enqueue`].
pub fn enqueue_entry(connection: &rusqlite::Connection, entry: &OutboxEntry) -> Result<JobId, OutboxError> {
    let (id, text) = values(entry)?;
    connection.prepare_cached(INSERT)?.execute((id.as_str(), text))?;
    Ok(id)
}

fn values(entry: &OutboxEntry) -> Result<(JobId, String), EnqueueError> {
    let text = entry.to_json();
    let job = || entry.job_name().to_owned();
    if text.len() > MAX_ENTRY_BYTES {
        return Err(EnqueueError::TooLarge { job: job(), bytes: text.len(), limit: MAX_ENTRY_BYTES });
    }
    let id = entry.id().cloned();
    id.map(|id| (id, text)).ok_or_else(|| EnqueueError::Refused { job: job(), reason: "its entry names no id".into() })
}

/// The outbox in a database. Cloning is cheap, and clones share one connection, which is opened at first use.
#[derive(Clone)]
pub struct Outbox(File);

/// What a sweep has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Entries that were enqueued, now or by a sweep that was interrupted, and deleted.
    pub enqueued: u64,
    /// Entries that cannot be enqueued, and were marked with their errors.
    pub failed: u64,
}

/// How an outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxStatus {
    /// Entries to be enqueued.
    pub waiting: u64,
    /// When the first of them was written, where that is known.
    pub oldest: Option<Timestamp>,
    /// Entries that cannot be enqueued.
    pub failed: u64,
}

/// An entry that cannot be enqueued.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedEntry {
    /// Its number in the table.
    pub seq: i64,
    /// The job's id, as it stands there.
    pub id: String,
    /// The job's name, if the entry can be read.
    pub job: Option<String>,
    /// Why it cannot be enqueued.
    pub error: String,
    /// When that was found.
    pub failed_at: Option<Timestamp>,
}

impl Outbox {
    /// The outbox in the database with this path. The file is opened later, and never created.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(File::new(path.into()))
    }

    /// Enqueues all entries through this client, the oldest first, and deletes them. Nothing happens where the database has no
    /// such table yet.
    ///
    /// Call it right after a commit to have the job run at once, or now and then in a process without an engine.
    ///
    /// # Errors
    /// When the database cannot be read or written, or the job file or AWS is not available. What was enqueued before remains
    /// so, and the rest waits.
    pub async fn sweep(&self, client: &Client) -> Result<Swept, StoreError> {
        let (mut sweep, mut swept) = (Sweep::default(), Swept::default());
        while let Some(step) = self.step(client, &mut sweep).await? {
            swept.enqueued += step.enqueued;
            swept.failed += step.failed;
        }
        sweep.end(swept)
    }

    /// Sweeps the next portion of entries; `None` when there are no more.
    pub(crate) async fn step(&self, client: &Client, sweep: &mut Sweep) -> Result<Option<Swept>, StoreError> {
        let after = sweep.after;
        let rows = self.0.with(move |connection| table::read(connection, after)).await?;
        let rows = rows.unwrap_or_default();
        let Some(last) = rows.last() else { return Ok(None) };
        sweep.after = last.seq;
        let (mut settled, mut sending, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            let Row { seq, id, entry } = row;
            match entry {
                Ok(entry) => {
                    sending.push((seq, id));
                    entries.push(entry);
                }
                Err(error) => settled.push(Settled { seq, id, error: Some(error) }),
            }
        }
        let mut unavailable = None;
        let answers = if entries.is_empty() { Vec::new() } else { client.enqueue_entries(entries).await };
        for ((seq, id), answer) in sending.into_iter().zip(answers) {
            match answer {
                Ok(_) => {
                    settled.push(Settled { seq, id, error: None });
                }
                Err(EnqueueError::Backend(error)) => {
                    if error.kind() == StoreErrorKind::Unavailable {
                        unavailable.get_or_insert_with(|| error.clone());
                    }
                    sweep.error.get_or_insert(error);
                }
                // It may be refused since it waits for one that could not be enqueued.
                Err(EnqueueError::Refused { .. }) if sweep.error.is_some() => {}
                Err(error) => settled.push(Settled { seq, id, error: Some(error.to_string()) }),
            }
        }
        for Settled { seq, error, .. } in &settled {
            if let Some(error) = error {
                tracing::error!(outbox = %self.0.path().display(), seq, error, "an entry of the outbox cannot be enqueued");
            }
        }
        let failed = settled.iter().filter(|settled| settled.error.is_some()).count();
        let swept = Swept { enqueued: (settled.len() - failed) as u64, failed: failed as u64 };
        if !settled.is_empty() {
            // For people: no decision depends on it.
            let now = Timestamp::now();
            self.0.with(move |connection| table::settle(connection, &settled, now)).await?;
        }
        unavailable.map_or(Ok(Some(swept)), Err)
    }

    /// How it stands.
    ///
    /// # Errors
    /// When the database cannot be read, or has no outbox.
    pub async fn status(&self) -> Result<OutboxStatus, StoreError> {
        self.0.with(table::status).await?.ok_or_else(|| self.missing())
    }

    /// The entries that cannot be enqueued, the oldest first: at most `limit` of them after the one with this number.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub async fn failed(&self, after: i64, limit: usize) -> Result<Vec<FailedEntry>, StoreError> {
        let found = self.0.with(move |connection| table::failed(connection, after, limit)).await?;
        found.ok_or_else(|| self.missing())
    }

    /// Lets the next sweep try failed entries again: the one with this number, or all. Returns their number.
    ///
    /// # Errors
    /// As [`status`](Self::status), or when the database cannot be written.
    pub async fn retry(&self, seq: Option<i64>) -> Result<u64, StoreError> {
        let done = self.0.with(move |connection| table::retry(connection, seq)).await?;
        done.ok_or_else(|| self.missing())
    }

    /// Deletes the failed entry with this number, and returns whether there was one.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn forget(&self, seq: i64) -> Result<bool, StoreError> {
        let done = self.0.with(move |connection| table::forget(connection, seq)).await?;
        done.ok_or_else(|| self.missing())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    fn missing(&self) -> StoreError {
        let text = format_args!("{} has no table lamplighter_outbox; create it first", self.0.path().display());
        StoreError::new(StoreErrorKind::Invalid, text)
    }
}

/// How far a sweep has come.
#[derive(Default)]
pub(crate) struct Sweep {
    after: i64,
    /// Why some entries were passed over.
    error: Option<StoreError>,
}

impl Sweep {
    pub(crate) fn end(self, swept: Swept) -> Result<Swept, StoreError> {
        self.error.map_or(Ok(swept), Err)
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("path", &self.0.path()).finish_non_exhaustive()
    }
}
