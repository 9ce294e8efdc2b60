//! Connections that read beside the writer.

use std::sync::{Arc, Mutex, PoisonError};

use lamplighter::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use super::{
    connection::{self, Location},
    read_only,
    writer::Writer,
};
use crate::{
    error::{OpenError, store_error},
    settings::Durability,
};

/// Connections kept for the next read.
const KEPT: usize = 8;

/// Reads beside the writer, each from the last commit.
#[derive(Clone)]
pub(crate) struct Readers(Arc<Inner>);

struct Inner {
    location: Location,
    durability: Durability,
    read_only: bool,
    idle: Mutex<Vec<Connection>>,
    writer: Writer,
}

impl Readers {
    pub(crate) fn new(location: Location, durability: Durability, writer: Writer) -> Self {
        Self(Arc::new(Inner { location, durability, read_only: false, idle: Mutex::default(), writer }))
    }

    /// Of a file that may not be written.
    pub(crate) fn read_only(location: Location, durability: Durability, writer: Writer) -> Self {
        Self(Arc::new(Inner { location, durability, read_only: true, idle: Mutex::default(), writer }))
    }

    /// Reads from one moment of the file.
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
                let ended = runtime.spawn_blocking(move || inner.read(work)).await;
                ended.unwrap_or_else(|error| Err(StoreError::unavailable(format_args!("a read did not end: {error}"))))
            }
        }
    }
}

impl Inner {
    fn open(&self) -> Result<Connection, OpenError> {
        match self.read_only {
            true => read_only::open(self.location.path()),
            false => connection::reader(&self.location, self.durability),
        }
    }

    fn read<T>(&self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open().map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))?,
        };
        let answer = snapshot(&connection, work);
        if connection.is_autocommit() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < KEPT {
                idle.push(connection);
            }
        }
        answer.map_err(|error| store_error(&self.location.path().display().to_string(), &error))
    }
}

fn snapshot<T>(connection: &Connection, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let answer = work(connection);
    connection.prepare_cached("COMMIT")?.execute([])?;
    answer
}
