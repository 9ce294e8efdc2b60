//! What can go wrong with the file, in words for people.

use std::{io, path::PathBuf};

use lamplighter::{StoreError, StoreErrorKind};
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

/// The error that callers of the ports are given.
pub(crate) fn store_error(location: &str, error: &rusqlite::Error) -> StoreError {
    let (kind, reason) = explain(error);
    StoreError::new(kind, format_args!("{location}: {reason}"))
}
