//! Detects changes to the file by other processes: writes, removal, replacement.
//!
//! SQLite sends no notifications, but reports cheaply whether another connection has committed since the last check. A
//! separate thread checks in real time, so that a test's paused clock does not advance because of it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use lamplighter::host::Stop;
use rusqlite::Connection;
use tokio::sync::watch;

use super::{failure::EngineError, lock::EngineLock};
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

/// The longest time before a change by another process is detected.
const INTERVAL: Duration = Duration::from_millis(50);
/// The longest wait for the thread to end. It ends immediately, unless the disk does not answer.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Reports why the engine ends early.
pub(crate) type Failure = watch::Sender<Option<EngineError>>;

/// Detects changes by other processes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
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
    log_path: std::path::PathBuf,
    seen: Option<i64>,
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
        let mut listener = Listener {
            connection: connection::reader(location, embedded.durability())?,
            writer: embedded.0.writer.clone(),
            signals: embedded.0.signals.clone(),
            lock: lock.clone(),
            log: None,
            log_path: beside(&real, "-wal"),
            seen: None,
        };
        let over = Arc::new(AtomicBool::new(false));
        let (closed, ended) = mpsc::channel::<()>();
        let (stop, stopped) = (stop.clone(), over.clone());
        let listen = move || {
            while !stopped.load(Ordering::Acquire) {
                if let Err(error) = listener.look() {
                    tracing::error!("{error}");
                    failure.send_replace(Some(error));
                    stop.abort();
                    break;
                }
                thread::park_timeout(INTERVAL);
            }
            drop(listener);
            drop(closed);
        };
        let thread = thread::Builder::new().name("lamplighter-watch".into()).spawn(listen);
        let thread = thread.map_err(|error| OpenError::no_thread(location.path(), &error))?;
        Ok(Some(Self { over, thread: Some(thread), ended }))
    }
}

impl Listener {
    fn look(&mut self) -> Result<(), EngineError> {
        self.writer.check().map_err(EngineError::File)?;
        match &self.log {
            Some(log) => log.check().map_err(EngineError::File)?,
            None => self.log = Named::look(self.log_path.clone()).ok(),
        }
        self.lock.keep()?;
        let version = self
            .connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
        match version {
            Ok(version) if self.seen != Some(version) => {
                // This process's own commits are included; a needless wake-up costs one check.
                self.seen = Some(version);
                self.signals.everything();
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "cannot check whether other processes have written"),
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        match self.ended.recv_timeout(LAST_LOOK) {
            Err(mpsc::RecvTimeoutError::Timeout) => {
                tracing::warn!("the disk does not answer; a connection to the file stays open");
            }
            _ => drop(thread.join()),
        }
    }
}
