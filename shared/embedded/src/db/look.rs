//! Checks a file before anything is done to it: a file of another program is left unchanged.
//!
//! SQLite already changes a file when it is opened for writing: a setting becomes part of its header, and a log appears
//! beside it. Even for reading, it creates a log's index. So the first check reads only the file, as if it could not
//! change (SQLite, "URI Filenames", `immutable=1`), and only a file that may be ours is then opened for use.

use std::{fmt::Write, fs, path::Path};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{connection::unusable, private::beside, schema::Head};
use crate::error::OpenError;

/// Refuses files that are certainly not ours, and those of a newer version. A missing file counts as an empty one.
/// `path` is its name for people, `absolute` the same for the system.
pub(crate) fn look(path: &Path, absolute: &Path) -> Result<(), OpenError> {
    let unusable = |error| unusable(path, &error);
    let odd = |reason: &str| Err(OpenError::Unusable { path: path.to_owned(), reason: reason.into() });
    match fs::metadata(absolute) {
        Ok(metadata) if metadata.is_dir() => return odd("it is a folder; name a file in it"),
        Ok(metadata) if !metadata.is_file() => return odd("it is not a regular file; name another"),
        Ok(metadata) if metadata.len() > 0 => {}
        _ => return Ok(()),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let untouched = Connection::open_with_flags(unchanging(absolute), flags).map_err(unusable)?;
    let head = Head::of(&untouched).map_err(unusable)?;
    head.check(path)?;
    if !head.is_blank() || fs::metadata(beside(absolute, "-wal")).map_or(0, |log| log.len()) == 0 {
        return Ok(());
    }
    // All of its content is in its log, ours or not.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let logged = Connection::open_with_flags(absolute, flags).map_err(unusable)?;
    logged.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(unusable)?;
    logged.busy_timeout(super::connection::BUSY).map_err(unusable)?;
    Head::of(&logged).map_err(unusable)?.check(path)
}

/// Returns the file's URI for a check that neither locks nor recovers it.
pub(super) fn unchanging(absolute: &Path) -> String {
    let mut uri = String::from("file:");
    if cfg!(windows) {
        uri.push('/');
    }
    for byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'\\' if cfg!(windows) => uri.push('/'),
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            // Writing to a `String` does not fail.
            byte => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
