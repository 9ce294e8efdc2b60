//! The database of an outbox: opened at first use, and again when its path names another file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lamplighter::backend::{StoreError, StoreErrorKind};
use rusqlite::{Connection, OpenFlags};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    db::{connection::BUSY, identity::Named},
    error::{explain, store_error},
};

/// The longest wait for the disk.
const LONGEST_WAIT: Duration = BUSY.saturating_mul(2);

#[derive(Clone)]
pub(super) struct File(Arc<Inner>);

struct Inner {
    /// As given, for people.
    path: PathBuf,
    /// `None` before it is opened. Held while the disk is silent, so that no threads gather.
    open: Arc<Mutex<Option<Open>>>,
}

struct Open {
    connection: Connection,
    named: Named,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(Arc::new(Inner { path, open: Arc::default() }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs `work` on the connection, outside of the runtime's own threads.
    pub(super) async fn with<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let silent = || {
            let (path, seconds) = (self.0.path.display(), LONGEST_WAIT.as_secs());
            StoreError::unavailable(format_args!(
                "{path}: the disk has not answered for {seconds} s; check the machine's log"
            ))
        };
        let lock = self.0.open.clone().lock_owned();
        let mut open = timeout(LONGEST_WAIT, lock).await.map_err(|_| silent())?;
        let path = self.0.path.clone();
        let working = tokio::task::spawn_blocking(move || {
            if open.as_ref().is_some_and(|open| open.named.check().is_err()) {
                *open = None;
            }
            let open = match &mut *open {
                Some(open) => open,
                closed => closed.insert(Open::at(&path)?),
            };
            work(&mut open.connection).map_err(|error| store_error(&path.display().to_string(), &error))
        });
        timeout(LONGEST_WAIT, working).await.map_err(|_| silent())?.map_err(StoreError::unavailable)?
    }
}

impl Open {
    /// Opens an existing file, and changes no setting that is stored in it.
    fn at(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display();
        let invalid = |reason: &dyn std::fmt::Display| StoreError::new(StoreErrorKind::Invalid, reason);
        let absolute =
            std::path::absolute(path).map_err(|error| invalid(&format_args!("{shown} is not a path: {error}")))?;
        let named = Named::look(absolute.clone()).map_err(|error| {
            invalid(&format_args!("{shown} cannot be opened: {error}; name the database of the outbox"))
        })?;
        let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let opened = Connection::open_with_flags(&absolute, flags).and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            Ok(connection)
        });
        let connection = opened.map_err(|error| {
            let (kind, reason) = explain(&error);
            StoreError::new(kind, format_args!("{shown}: {reason}"))
        })?;
        Ok(Self { connection, named })
    }
}
