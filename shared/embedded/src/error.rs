//! Errors of the file, with what to do about them.

use std::{
    io,
    path::{Path, PathBuf},
};

use lamplighter::backend::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

/// Why a file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its folder does not exist and cannot be created.
    #[error("cannot create the folder {}: {source}; name a folder that you may write to", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file holds other data.
    #[error("{} is not a job file: it holds something else; name another file, or move this one away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version created the file.
    #[error(
        "{} was made by a newer version of Lamplighter (layout {found}, known here: {known}); update, or name another file",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout known here.
        known: i64,
    },
    /// SQLite did not apply a setting.
    #[error(
        "{} cannot be used: SQLite answers {got:?} to {pragma}={wanted}, as is usual on a network disk; name \
         a file on a local one",
        path.display()
    )]
    Pragma {
        /// The file.
        path: PathBuf,
        /// The pragma's name.
        pragma: &'static str,
        /// The value that was set.
        wanted: String,
        /// The value it has.
        got: String,
    },
    /// The file cannot be opened, read or written.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl OpenError {
    /// A thread that the file needs could not be started.
    pub(crate) fn no_thread(path: &Path, error: &io::Error) -> Self {
        let reason = format!("cannot start a thread: {error}; stop other processes, or raise the limit of threads");
        Self::Unusable { path: path.to_owned(), reason }
    }
}

/// The file at this path is no longer the one that was opened. Every operation on it fails from then on: its writes
/// would be lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileLost {
    /// The file, or a folder above it, was removed or renamed.
    #[error(
        "{} was removed or renamed while it was in use; restore it or start with a new one, and restart whatever uses it",
        path.display()
    )]
    Removed {
        /// Its name.
        path: PathBuf,
    },
    /// Another file has its path now.
    #[error(
        "{} was replaced by another file while it was in use; restart whatever uses it, and replace a file only while \
         nothing does",
        path.display()
    )]
    Replaced {
        /// Its name.
        path: PathBuf,
    },
}

impl From<&FileLost> for StoreError {
    fn from(lost: &FileLost) -> Self {
        Self::new(StoreErrorKind::Broken, lost)
    }
}

/// Returns SQLite's message, with what to do about it.
pub(crate) fn explain(error: &rusqlite::Error) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Broken, Denied, Invalid, Unavailable};
    let code = error.sqlite_error_code();
    let (kind, advice) = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Unavailable, "another process holds the file for longer than a few seconds")
        }
        Some(ErrorCode::DiskFull) => (Unavailable, "the disk is full; make room"),
        Some(ErrorCode::SystemIoFailure) => (Unavailable, "the disk does not answer; check the machine's log"),
        Some(ErrorCode::ReadOnly) => {
            (Denied, "the file may not be written; change its permissions, or name another file")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            (Denied, "the file or its folder may not be written; change the permissions, or name another file")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            (Broken, "the file is damaged; restore a backup, or name another file")
        }
        // A table that is not there, for instance: statements are the same for all requests.
        Some(ErrorCode::Unknown) => return (Broken, error.to_string()),
        _ => return (Invalid, error.to_string()),
    };
    (kind, format!("{advice} (SQLite: {error})"))
}

/// Returns whether the error comes from the file or its disk rather than from the request: any other request fails too.
pub(crate) fn is_of_the_file(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied, ReadOnly,
        SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            DatabaseBusy
                | DatabaseLocked
                | DiskFull
                | SystemIoFailure
                | ReadOnly
                | CannotOpen
                | PermissionDenied
                | NotADatabase
                | DatabaseCorrupt
        )
    )
}

/// Returns the error for callers of the ports.
pub(crate) fn store_error(location: &str, error: &rusqlite::Error) -> StoreError {
    let (kind, reason) = explain(error);
    StoreError::new(kind, format_args!("{location}: {reason}"))
}
