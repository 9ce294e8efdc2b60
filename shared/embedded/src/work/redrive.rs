//! Moving dead letters back to their queues.

use rusqlite::{OptionalExtension, params};

use super::{enqueue, requeue};
use crate::{file::unit::Unit, state};

pub(crate) const OLDEST: &str = "SELECT seq FROM dead_letters WHERE queue = ?1 ORDER BY seq LIMIT ?2";

/// Moves the oldest dead letters of a queue back, at most `limit`. Says how many.
pub(crate) fn oldest(unit: &mut Unit<'_>, queue: i64, limit: usize) -> rusqlite::Result<usize> {
    let letters: Vec<i64> = unit
        .prepare(OLDEST)?
        .query_map(params![queue, i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for letter in &letters {
        one(unit, *letter)?;
    }
    Ok(letters.len())
}

/// Moves one dead letter back. Says whether there was one of that number.
///
/// A job with a record runs once more under its id, with its history; one that is under way already, because somebody
/// requeued it by hand, just loses the letter.
pub(crate) fn one(unit: &mut Unit<'_>, letter: i64) -> rusqlite::Result<bool> {
    type Letter = (String, String, String, Option<String>);
    let found: Option<Letter> = unit
        .prepare(
            "SELECT queues.name, dead_letters.id, body, grp FROM dead_letters
             JOIN queues ON queues.id = dead_letters.queue WHERE dead_letters.seq = ?1",
        )?
        .query_row([letter], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((queue, id, body, group)) = found else { return Ok(false) };
    unit.prepare("DELETE FROM dead_letters WHERE seq = ?1")?.execute([letter])?;
    match unit.row_of(&id)? {
        Some(row) if state::is_final(row.state) => requeue::again(unit, &row)?,
        Some(_) => {}
        None => enqueue::inject(unit, &queue, &id, &body, group.as_deref())?,
    }
    Ok(true)
}
