//! What can go wrong with the file, in words for people.

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
    /// Its folder is not there and cannot be made.
    #[error("cannot make the folder {}: {source}; name a place where you may write", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} is not a file of jobs: it holds something else; name another file, or move this one away", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version has made it.
    #[error(
        "{} was made by a newer version of Lamplighter (layout {found}; this one knows {known}); update, or name another file",
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
    /// SQLite does not do what it was told.
    #[error(
        "{} cannot be used: SQLite answers {got:?} to the setting {pragma}={wanted}; on a network disk that is usual, so name \
         a file on a local one",
        path.display()
    )]
    Pragma {
        /// The file.
        path: PathBuf,
        /// The pragma's name.
        pragma: &'static str,
        /// The value it was given.
        wanted: String,
        /// The value it has.
        got: String,
    },
    /// It cannot be opened, read or written.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl OpenError {
    /// A thread that the file needs cannot be started.
    pub(crate) fn no_thread(path: &Path, error: &io::Error) -> Self {
        let reason = format!("no thread can be started: {error}; end something else, or raise the limit");
        Self::Unusable { path: path.to_owned(), reason }
    }
}

/// The file is not the one any more that was opened, although its name may be in use again. What is done with it fails
/// from then on: nobody would find it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileLost {
    /// It, or a folder above it, was removed or renamed.
    #[error(
        "{} was removed or renamed while it was in use; put it back or start with a new one, and start again whatever uses it",
        path.display()
    )]
    Removed {
        /// Its name.
        path: PathBuf,
    },
    /// Another file has its name now.
    #[error(
        "{} was replaced by another file while it was in use; start again whatever uses it, and replace a file only while \
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
        Self::new(StoreErrorKind::Invalid, lost)
    }
}

/// What SQLite says, with what to do about it.
pub(crate) fn explain(error: &rusqlite::Error) -> (StoreErrorKind, String) {
    use StoreErrorKind::{Denied, Invalid, Unavailable};
    let code = error.sqlite_error_code();
    let (kind, advice) = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Unavailable, "another process holds the file for longer than a few seconds")
        }
        Some(ErrorCode::DiskFull) => (Unavailable, "the disk is full; make room"),
        Some(ErrorCode::SystemIoFailure) => (Unavailable, "the disk does not answer; look at the machine's log"),
        Some(ErrorCode::ReadOnly) => (Denied, "it may not be written; change its permissions, or name another file"),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            (Denied, "it or its folder may not be written; change the permissions, or name another file")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            (Invalid, "it is damaged; restore a copy, or name another file")
        }
        _ => return (Invalid, error.to_string()),
    };
    (kind, format!("{advice} (SQLite: {error})"))
}

/// Whether the error tells of the file or its disk, and not of what was asked: whatever else is asked now fails too.
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

/// The error that callers of the ports are given.
pub(crate) fn store_error(location: &str, error: &rusqlite::Error) -> StoreError {
    let (kind, reason) = explain(error);
    StoreError::new(kind, format_args!("{location}: {reason}"))
}
