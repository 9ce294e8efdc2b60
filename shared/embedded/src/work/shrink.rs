//! Giving room back to the disk.
//!
//! What retention deletes leaves free pages in the file. New jobs fill them again, so as many as the file is used to stay.
//! The others are given back in small steps: SQLite moves the last pages of the file into them and cuts it off.

use rusqlite::Connection;

use crate::file::unit::Unit;

/// Free pages that stay: 8 MiB, or an eighth of a larger file.
const SPARE: i64 = 1024;
const SHARE: i64 = 8;

/// Pages given back in one transaction: work for some 10 ms.
pub(crate) const STEP: i64 = 256;

/// How many pages the file has too many. None in a file that cannot shrink.
pub(crate) fn excess(connection: &Connection) -> rusqlite::Result<i64> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    if number("auto_vacuum")? != 2 {
        return Ok(0);
    }
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    Ok((free - SPARE.max(all / SHARE)).max(0))
}

/// Gives at most so many pages back.
pub(crate) fn give_back(unit: &mut Unit<'_>, pages: i64) -> rusqlite::Result<()> {
    let mut statement = unit.connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}
