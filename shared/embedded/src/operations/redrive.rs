//! Moving dead letters back to their queues.

use lamplighter::{
    JobState,
    backend::{DeadLetterCount, DeadLetterCounts, DeadLetterFilter, DeadLetterKey},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{enqueue, retry};
use crate::{db::transaction::Transaction, state, time};

/// The result of one step of a redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// Dead letters that were moved.
    pub(crate) moved: u64,
    /// Dead letters that were removed, since their jobs no longer need them.
    pub(crate) obsolete: u64,
}

/// A filter in SQL's terms.
#[derive(Debug)]
pub(crate) struct Bounds<'a> {
    pub(crate) seq: Option<i64>,
    pub(crate) job: Option<&'a str>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) from: i64,
    pub(crate) below: i64,
}

impl<'a> Bounds<'a> {
    /// Returns `None` if nothing can match.
    pub(crate) fn of(filter: &'a DeadLetterFilter) -> Option<Self> {
        let DeadLetterFilter { key, job, reason, since, before, .. } = filter;
        let seq = match key {
            None => None,
            Some(DeadLetterKey::Number(seq)) => Some(*seq),
            Some(_) => return None,
        };
        let (from, below) = (since.map_or(i64::MIN, time::nearest), before.map_or(i64::MAX, time::nearest));
        Some(Self { seq, job: job.as_deref(), reason: reason.as_deref(), from, below })
    }
}

const OLDEST: &str = "SELECT seq FROM dead_letters INDEXED BY dead_letters_queue WHERE queue = ?1 AND seq < ?2 \
    AND (?3 IS NULL OR job = ?3) AND buried_at >= ?4 AND buried_at < ?5 AND (?6 IS NULL OR seq = ?6) \
    AND (?7 IS NULL OR reason = ?7) ORDER BY seq LIMIT ?8";
const DELETE: &str = "DELETE FROM dead_letters WHERE seq = ?1";
const COUNTS: &str = "SELECT job, reason, count(*) FROM dead_letters INDEXED BY dead_letters_queue WHERE queue = ?1 \
    AND (?2 IS NULL OR job = ?2) AND buried_at >= ?3 AND buried_at < ?4 AND (?5 IS NULL OR seq = ?5) \
    AND (?6 IS NULL OR reason = ?6) GROUP BY job, reason ORDER BY job, reason";

/// Moves the oldest matching dead letters of a queue with a number below `end` back, or deletes them; at most `limit`.
pub(crate) fn oldest(
    tx: &mut Transaction<'_>,
    queue: i64,
    filter: &DeadLetterFilter,
    (end, discard): (i64, bool),
    limit: usize,
) -> rusqlite::Result<Moved> {
    let Some(Bounds { seq, job, reason, from, below }) = Bounds::of(filter) else { return Ok(Moved::default()) };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found: Vec<i64> = tx
        .prepare(OLDEST)?
        .query_map(params![queue, end, job, from, below, seq, reason, limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut moved = Moved::default();
    for seq in found {
        if discard {
            tx.prepare(DELETE)?.execute([seq])?;
            moved.obsolete += 1;
            continue;
        }
        match one(tx, seq)? {
            true => moved.moved += 1,
            false => moved.obsolete += 1,
        }
    }
    Ok(moved)
}

/// Returns a number above those of all dead letters, and not above the next one's.
pub(crate) fn end(connection: &Connection) -> rusqlite::Result<i64> {
    let newest: Option<i64> =
        connection.prepare_cached("SELECT max(seq) FROM dead_letters")?.query_row([], |row| row.get(0))?;
    Ok(newest.map_or(0, |newest| newest + 1))
}

/// Returns the number of matching dead letters of a queue, by job and reason.
pub(crate) fn counts(
    connection: &Connection,
    queue: i64,
    filter: &DeadLetterFilter,
) -> rusqlite::Result<DeadLetterCounts> {
    let Some(Bounds { seq, job, reason, from, below }) = Bounds::of(filter) else {
        return Ok(DeadLetterCounts::default());
    };
    let counts = connection
        .prepare_cached(COUNTS)?
        .query_map(params![queue, job, from, below, seq, reason], |row| {
            let (job, reason): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(DeadLetterCount::new(job, reason, u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0)))
        })?
        .collect::<Result<_, _>>()?;
    Ok(DeadLetterCounts::new(counts, 0))
}

/// Removes one dead letter, and returns whether it was moved back. It is not if its job has ended otherwise, or was
/// retried by hand already.
///
/// A failed job with a record runs again under its id, with its history.
fn one(tx: &mut Transaction<'_>, seq: i64) -> rusqlite::Result<bool> {
    type Row = (String, String, String, String, Option<String>);
    let found: Option<Row> = tx
        .prepare(
            "SELECT queues.name, dead_letters.id, job, body, grp FROM dead_letters
             JOIN queues ON queues.id = dead_letters.queue WHERE dead_letters.seq = ?1",
        )?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((queue, id, job, body, group)) = found else { return Ok(false) };
    tx.prepare(DELETE)?.execute([seq])?;
    match tx.row_of(&id)? {
        // The id belongs to another job now, which is left unchanged. A body without an id of its own gets a new one.
        Some(row) if !tx.owner_of(&row)?.is(&job, &queue) => {
            let id = format!("redriven-{}", tx.next()?);
            enqueue::inject(tx, &queue, &id, &body, group.as_deref())?;
        }
        Some(row) if row.state == state::code(JobState::Failed) => retry::again(tx, &row)?,
        Some(_) => return Ok(false),
        None => enqueue::inject(tx, &queue, &id, &body, group.as_deref())?,
    }
    Ok(true)
}
