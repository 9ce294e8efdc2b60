//! What is done to a file as a whole, each on a connection of its own beside the writer.

use std::time::Instant;

use rusqlite::Connection;

use super::connection::{self, Location};
use crate::{error::OpenError, settings::Durability};

/// Rewrites a file that an older version has made so that it can shrink from now on: once, with as much free disk as the
/// file is large, about a second for 100 MB, and nobody can write meanwhile. Says whether there was anything to do.
pub(crate) fn let_shrink(location: &Location, durability: Durability) -> Result<bool, OpenError> {
    let path = location.path();
    let failed = |error: rusqlite::Error| connection::unusable(path, &error);
    let connection = connection::maintainer(location, durability)?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("auto_vacuum").map_err(failed)? == 2 {
        return Ok(false);
    }
    let megabytes = path.metadata().map_or(0, |file| file.len() >> 20);
    tracing::info!(file = %path.display(), megabytes, "rewriting the file, once, so that it can shrink from now on");
    let began = Instant::now();
    // The connection's temporary files are in memory otherwise, and this one is as large as the file.
    connection.execute_batch("PRAGMA temp_store = FILE; PRAGMA auto_vacuum = INCREMENTAL; VACUUM").map_err(failed)?;
    tracing::info!(file = %path.display(), ms = began.elapsed().as_millis(), "the file is rewritten");
    Ok(true)
}

/// Copies what is in the write-ahead log into the file, and cuts the log off, as far as readers and writers allow without
/// waiting for them. Says whether the log is empty then.
pub(crate) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(std::time::Duration::ZERO)?;
    let outcome = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0));
    connection.busy_timeout(connection::BUSY)?;
    outcome
}
