//! Looks at a file before anything is done to it: what is not ours stays as it is, to the byte.
//!
//! SQLite changes a file already when it is opened to be written: a setting becomes part of its header, and a log
//! appears beside it. Even to read, it makes a log's index. So the first look is at the file alone, as if nobody could
//! change it (SQLite, "URI Filenames", `immutable=1`), and only what may be ours is opened in earnest.

use std::{fmt::Write, fs, path::Path};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{connection::unusable, private::beside, schema::Head};
use crate::error::OpenError;

/// Refuses what is certainly none of ours, and what a newer version has made. A file that is not there is as good as an
/// empty one. `path` is its name for people, `absolute` the same for the system.
pub(crate) fn look(path: &Path, absolute: &Path) -> Result<(), OpenError> {
    let unusable = |error| unusable(path, &error);
    let odd = |reason: &str| Err(OpenError::Unusable { path: path.to_owned(), reason: reason.into() });
    match fs::metadata(absolute) {
        Ok(metadata) if metadata.is_dir() => return odd("it is a folder; name a file in it"),
        Ok(metadata) if !metadata.is_file() => return odd("it is no file; name another"),
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
    // All that it holds is in its log, whosever that is.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let logged = Connection::open_with_flags(absolute, flags).map_err(unusable)?;
    logged.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(unusable)?;
    logged.busy_timeout(super::connection::BUSY).map_err(unusable)?;
    Head::of(&logged).map_err(unusable)?.check(path)
}

/// The file's URI for a look that neither locks nor recovers.
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
            // Writing to a string does not fail.
            byte => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
