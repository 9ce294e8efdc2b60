//! Operations on a file as a whole, each on its own connection, concurrently with the writer.

use std::time::Instant;

use rusqlite::Connection;

use super::connection::{self, Location};
use crate::{error::OpenError, settings::Durability};

/// An engine rewrites the file when it starts with this many free bytes (64 MiB), if they are more than half of it.
const WORTH: i64 = 64 << 20;

/// The size of a file before and after it was rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// Bytes before.
    pub before: u64,
    /// Bytes now.
    pub after: u64,
}

/// Rewrites a file without the free pages that deleted records have left. Takes about a second per 100 MB that remain,
/// and twice that size in free disk space; nothing can be written meanwhile. With `worth`, only if most of the file is
/// free.
///
/// It is not done step by step: a file that SQLite can shrink that way (`auto_vacuum`) makes every write slower, a
/// single enqueue by 13 percent.
pub(crate) fn compact(
    location: &Location,
    durability: Durability,
    worth: bool,
) -> Result<Option<Compacted>, OpenError> {
    let path = location.path();
    let failed = |error: rusqlite::Error| connection::unusable(path, &error);
    let connection = connection::maintainer(location, durability)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let (free, all, size) = (number("freelist_count")?, number("page_count")?, number("page_size")?);
    if worth && (free * 2 <= all || free * size < WORTH) {
        return Ok(None);
    }
    let bytes = |pages: i64| (pages * size).unsigned_abs();
    let (before, began) = (bytes(all), Instant::now());
    tracing::info!(file = %path.display(), megabytes = before >> 20, free = bytes(free) >> 20, "rewriting the file");
    // The connection's temporary files are in memory otherwise, and this one is as large as the result.
    connection.execute_batch("PRAGMA temp_store = FILE; VACUUM").map_err(failed)?;
    checkpoint(&connection).map_err(failed)?;
    let after = bytes(number("page_count")?);
    tracing::info!(file = %path.display(), megabytes = after >> 20, ms = began.elapsed().as_millis(), "rewrote the file");
    Ok(Some(Compacted { before, after }))
}

/// Copies the write-ahead log into the file, and truncates it, as far as possible without waiting for readers and
/// writers. Returns whether the log is empty.
pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(std::time::Duration::ZERO)?;
    let outcome = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0));
    connection.busy_timeout(connection::BUSY)?;
    outcome
}
