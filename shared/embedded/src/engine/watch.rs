//! Hears what other processes write.
//!
//! SQLite tells nobody, but answers cheaply whether anybody else has committed since the last question. The question is
//! asked by a thread of its own and in real time, so a test's paused clock does not run because of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    embedded::Embedded,
    error::OpenError,
    file::connection::{self, Location},
};

/// How long what another process has enqueued may lie before it is heard of.
const INTERVAL: Duration = Duration::from_millis(50);

/// Hears what other processes write, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// `None` for a store in memory: nobody else can write there.
    pub(crate) fn start(embedded: &Embedded) -> Result<Option<Self>, OpenError> {
        let location = &embedded.0.location;
        if matches!(location, Location::Memory) {
            return Ok(None);
        }
        let connection = connection::reader(location, embedded.durability())?;
        let over = Arc::new(AtomicBool::new(false));
        let (signals, ended) = (embedded.0.signals.clone(), over.clone());
        let listen = move || {
            let mut seen: Option<i64> = None;
            while !ended.load(Ordering::Acquire) {
                let version = connection
                    .prepare_cached("PRAGMA data_version")
                    .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
                match version {
                    Ok(version) if seen != Some(version) => {
                        // This process's own commits are among them. Whoever is woken for nothing looks once.
                        seen = Some(version);
                        signals.everything();
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "cannot ask whether others have written"),
                }
                thread::park_timeout(INTERVAL);
            }
        };
        let thread = thread::Builder::new().name("lamplighter-watch".into()).spawn(listen);
        let thread = thread.map_err(|error| OpenError::Unusable {
            path: location.path().to_owned(),
            reason: format!("no thread can be started: {error}"),
        })?;
        Ok(Some(Self { over, thread: Some(thread) }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
        }
    }
}
