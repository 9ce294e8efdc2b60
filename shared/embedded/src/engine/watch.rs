//! Detects changes to the file by other processes: writes, removal, replacement.
//!
//! SQLite reports cheaply whether another connection has committed since the last look, but not when to look. A commit first
//! writes to the log, which the system notifies of, and counts a moment later, or after a wait for the disk: so there are looks
//! right after a notification, at growing intervals. Without notifications, there is a look at a fixed interval. A separate
//! thread looks in real time, so that a test's paused clock does not advance because of it.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lamplighter::host::Stop;
use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    changes::{Changes, Stopper, Woken},
    failure::EngineError,
    lock::EngineLock,
};
use crate::{
    backend::SqliteBackend,
    db::{
        connection::{self, Location},
        identity::Named,
        private::beside,
        signals::Signals,
        writer::Writer,
    },
    error::OpenError,
};

/// The interval of looks without notifications, and the shortest from one that has found a commit to the next: this process's own
/// commits are notified of too.
const INTERVAL: Duration = Duration::from_millis(50);
/// The first interval after a notification; each of the next is twice as long, up to the longest. The longest is also the
/// longest time before the removal of a folder is detected, of which there is no notification.
const SOON: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(1500);
/// The longest wait for the thread to end. It ends immediately, unless the disk does not answer.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Reports why the engine ends early.
pub(crate) type Failure = watch::Sender<Option<EngineError>>;

/// Detects changes by other processes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    stopper: Option<Stopper>,
    thread: Option<JoinHandle<()>>,
    /// Disconnected when the thread has closed its connection.
    ended: mpsc::Receiver<()>,
}

struct Listener {
    connection: Connection,
    writer: Writer,
    signals: Arc<Signals>,
    lock: Arc<EngineLock>,
    /// The write-ahead log, once it has been seen. It stays the same as long as this connection is open.
    log: Option<Named>,
    log_path: PathBuf,
    seen: Option<i64>,
    changes: Changes,
    /// Whether there are notifications of writes to the log.
    is_notified: bool,
}

impl Watch {
    /// Returns `None` for a store in memory: no other process can access it.
    pub(crate) fn start(
        embedded: &SqliteBackend,
        lock: &Arc<EngineLock>,
        stop: &Stop,
        failure: Failure,
    ) -> Result<Option<Self>, OpenError> {
        let location = &embedded.0.location;
        let Location::File { absolute, .. } = location else { return Ok(None) };
        let real = fs::canonicalize(absolute).unwrap_or_else(|_| absolute.clone());
        let (changes, stopper) = Changes::new().map_err(|error| OpenError::no_thread(location.path(), &error))?;
        // For its removal: everything is written to the log first.
        changes.watch(&real);
        let mut listener = Listener {
            connection: connection::reader(location, embedded.durability())?,
            writer: embedded.0.writer.clone(),
            signals: embedded.0.signals.clone(),
            lock: lock.clone(),
            log: None,
            log_path: beside(&real, "-wal"),
            seen: None,
            changes,
            is_notified: false,
        };
        let (closed, ended) = mpsc::channel::<()>();
        let stop = stop.clone();
        let listen = move || {
            if let Err(error) = listener.listen() {
                tracing::error!("{error}");
                failure.send_replace(Some(error));
                stop.abort();
            }
            drop(listener);
            drop(closed);
        };
        let thread = thread::Builder::new().name("lamplighter-watch".into()).spawn(listen);
        let thread = thread.map_err(|error| OpenError::no_thread(location.path(), &error))?;
        Ok(Some(Self { stopper: Some(stopper), thread: Some(thread), ended }))
    }
}

impl Listener {
    /// Looks until it is stopped, or until the engine must end.
    fn listen(&mut self) -> Result<(), EngineError> {
        let mut interval = SOON;
        loop {
            let looked = Instant::now();
            let pause = if self.look()? { INTERVAL } else { SOON };
            let woken = self.changes.wait(if self.is_notified { interval } else { INTERVAL });
            interval = match woken {
                Woken::Stop => return Ok(()),
                Woken::Time => (interval * 2).min(LONGEST),
                Woken::Change => {
                    if self.changes.rest(pause.saturating_sub(looked.elapsed())) {
                        return Ok(());
                    }
                    SOON
                }
            };
        }
    }

    /// Returns whether there was a commit since the last look.
    fn look(&mut self) -> Result<bool, EngineError> {
        self.writer.check().map_err(EngineError::File)?;
        match &self.log {
            Some(log) => log.check().map_err(EngineError::File)?,
            None => {
                self.log = Named::look(self.log_path.clone()).ok();
                self.is_notified = self.log.is_some() && self.changes.watch(&self.log_path);
            }
        }
        self.lock.keep()?;
        if let Some(lock) = self.lock.path() {
            // Each time: it may be another file by now.
            self.changes.watch(lock);
        }
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        match version {
            Ok(version) if self.seen != Some(version) => {
                // This process's own commits are included; a needless wake-up costs one check.
                self.seen = Some(version);
                self.signals.everything();
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => {
                tracing::debug!(%error, "cannot check whether other processes have written");
                Ok(false)
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stopper = None;
        let Some(thread) = self.thread.take() else { return };
        match self.ended.recv_timeout(LAST_LOOK) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                tracing::warn!("the disk does not answer; a connection to the file stays open");
            }
            _ => drop(thread.join()),
        }
    }
}
