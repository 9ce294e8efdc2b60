//! Moving dead letters back to their queues.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{enqueue, retry};
use crate::{db::transaction::Transaction, state, time};

/// Which dead letters of a queue. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// Of this job.
    pub job: Option<String>,
    /// That have lain there since this moment, or came later.
    pub since: Option<Timestamp>,
    /// That came before this moment.
    pub before: Option<Timestamp>,
}

/// How many dead letters of a queue are of one job and lie there for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterCount {
    /// The job's name, as far as the bodies tell it; else empty.
    pub job: String,
    /// The reason: [`DeadLetterReason::as_str`](lamplighter::backend::DeadLetterReason::as_str).
    pub reason: String,
    /// The number.
    pub letters: u64,
}

const OLDEST: &str = "SELECT seq FROM dead_letters INDEXED BY dead_letters_queue WHERE queue = ?1 AND seq < ?2 \
    AND (?3 IS NULL OR job = ?3) AND buried_at >= ?4 AND buried_at < ?5 ORDER BY seq LIMIT ?6";
const COUNTS: &str = "SELECT job, reason, count(*) FROM dead_letters INDEXED BY dead_letters_queue WHERE queue = ?1 \
    AND (?2 IS NULL OR job = ?2) AND buried_at >= ?3 AND buried_at < ?4 GROUP BY job, reason ORDER BY job, reason";

impl DeadLetterFilter {
    fn from(&self) -> i64 {
        self.since.map_or(i64::MIN, time::nearest)
    }

    fn below(&self) -> i64 {
        self.before.map_or(i64::MAX, time::nearest)
    }
}

/// Moves the oldest dead letters of a queue back that fit and have a number below `end`, at most `limit`. Says how many.
pub(crate) fn oldest(
    tx: &mut Transaction<'_>,
    queue: i64,
    filter: &DeadLetterFilter,
    end: i64,
    limit: usize,
) -> rusqlite::Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let letters: Vec<i64> = tx
        .prepare(OLDEST)?
        .query_map(params![queue, end, filter.job, filter.from(), filter.below(), limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut moved = 0;
    for letter in &letters {
        moved += usize::from(one(tx, *letter)?);
    }
    Ok(moved)
}

/// The number that the next dead letter will have at least.
pub(crate) fn end(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT next FROM sequence")?.query_row([], |row| row.get(0))
}

/// How many dead letters of a queue fit, by job and reason.
pub(crate) fn counts(
    connection: &Connection,
    queue: i64,
    filter: &DeadLetterFilter,
) -> rusqlite::Result<Vec<DeadLetterCount>> {
    connection
        .prepare_cached(COUNTS)?
        .query_map(params![queue, filter.job, filter.from(), filter.below()], |row| {
            let letters = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            Ok(DeadLetterCount { job: row.get(0)?, reason: row.get(1)?, letters })
        })?
        .collect()
}

/// Moves one dead letter back. Says whether there was one of that number.
///
/// A job with a record runs once more under its id, with its history; one that is under way already, because somebody
/// requeued it by hand, just loses the letter.
pub(crate) fn one(tx: &mut Transaction<'_>, letter: i64) -> rusqlite::Result<bool> {
    type Letter = (String, String, String, String, Option<String>);
    let found: Option<Letter> = tx
        .prepare(
            "SELECT queues.name, dead_letters.id, job, body, grp FROM dead_letters
             JOIN queues ON queues.id = dead_letters.queue WHERE dead_letters.seq = ?1",
        )?
        .query_row([letter], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((queue, id, job, body, group)) = found else { return Ok(false) };
    tx.prepare("DELETE FROM dead_letters WHERE seq = ?1")?.execute([letter])?;
    match tx.row_of(&id)? {
        // The id has become another job's, which is left alone. A body that names no id of its own gets a new one.
        Some(row) if !tx.owner_of(&row)?.is(&job, &queue) => {
            let id = format!("redriven-{}", tx.next()?);
            enqueue::inject(tx, &queue, &id, &body, group.as_deref())?;
        }
        Some(row) if state::is_final(row.state) => retry::again(tx, &row)?,
        Some(_) => {}
        None => enqueue::inject(tx, &queue, &id, &body, group.as_deref())?,
    }
    Ok(true)
}
