//! The file's layout.
//!
//! **A tracked job and its message are one row of `jobs`**, so nothing has to be kept in step: it is on its queue
//! while `visible_at` is not null, and a record for ever (until it is purged) unless `state` is 0. A message without a
//! record is a row of the same table with the state 0, and gone when it is acknowledged.
//!
//! Rows of `jobs` are small and keep their size on the way from enqueued to succeeded, so that SQLite overwrites them
//! in place: the columns that change are filled from the start with numbers of the length that they will have. What is
//! long, or only some jobs have, stands in tables beside it: `bodies` (written once, read once), `notes` (output,
//! progress, checkpoint) and `attempts`.
//!
//! An index over all states would double the price of a job, since each goes through three. So the two states in which
//! most jobs are, queued and succeeded, are left out of it, and `counts` tells a listing when it has found all.

use std::path::Path;

use rusqlite::Connection;

use super::connection::unusable;
use crate::error::OpenError;

/// "LAMP": says in the file's head whose it is.
pub(super) const APPLICATION: i64 = 0x4C41_4D50;

/// The layout that this version writes.
pub(super) const LAYOUT: i64 = 1;

/// By layout: what makes it from the one before.
const STEPS: [&str; 1] = [include_str!("schema_1.sql")];

/// Makes the tables of a new file; refuses files of others and of later versions.
pub(crate) fn bring_up_to_date(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let step = || -> rusqlite::Result<Option<OpenError>> {
        let (application, layout) = head(connection)?;
        if (application, layout) == (APPLICATION, LAYOUT) {
            return Ok(None);
        }
        // The first look took no lock: another process may be making the tables right now.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let (application, layout) = head(connection)?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != APPLICATION && (application != 0 || layout != 0 || tables > 0) {
            return Ok(Some(OpenError::Foreign { path: path.to_owned() }));
        }
        if layout > LAYOUT {
            return Ok(Some(OpenError::Newer { path: path.to_owned(), found: layout, known: LAYOUT }));
        }
        for (number, step) in (1..).zip(STEPS) {
            if number > layout {
                connection.execute_batch(step)?;
            }
        }
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", LAYOUT)?;
        connection.execute_batch("COMMIT")?;
        Ok(None)
    };
    let outcome = step();
    if !connection.is_autocommit() {
        // Nothing has been written that anybody wants.
        let _ = connection.execute_batch("ROLLBACK");
    }
    match outcome {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn head(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((number("application_id")?, number("user_version")?))
}
