//! Dead letters.

use jiff::Timestamp;
use lamplighter::host::DeadLetterCause;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::row::JobRow;
use crate::{db::transaction::Transaction, time};

/// A message in a queue's dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its number: names it in [`SqliteBackend::redrive_one`](crate::SqliteBackend::redrive_one).
    pub number: i64,
    /// The queue it came from.
    pub queue: String,
    /// The job's id, or the message's where the job gave none.
    pub id: String,
    /// The job's name, as far as the body tells it; else empty.
    pub job: String,
    /// The body as it came.
    pub body: String,
    /// Why it lies here: [`DeadLetterReason::as_str`](lamplighter::backend::DeadLetterReason::as_str).
    pub reason: String,
    /// The error, in one line.
    pub error: String,
    /// Since when it lies here.
    pub dead_since: Timestamp,
    /// How often it was received.
    pub receive_count: u32,
    /// Its message group.
    pub group: Option<String>,
}

/// What a letter says about why it was buried.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) error: String,
}

impl From<&DeadLetterCause> for Cause {
    fn from(dead_letters: &DeadLetterCause) -> Self {
        Self { reason: dead_letters.reason.as_str(), error: dead_letters.error.to_string() }
    }
}

impl Transaction<'_> {
    /// Puts a row's message into the dead-letter queue. What becomes of the row is the caller's business.
    pub(crate) fn dead_letter(&mut self, row: &JobRow, cause: &Cause) -> rusqlite::Result<()> {
        let seq = self.next()?;
        self.prepare(
            "INSERT INTO dead_letters (seq, queue, id, job, reason, buried_at, receives, grp, error, body)
             SELECT ?1, ?2, ?3, CASE WHEN kinds.job != '' THEN kinds.job WHEN json_valid(body)
             THEN substr(coalesce(body ->> '$.job', ''), 1, 128) ELSE '' END, ?4, ?5, ?6, ?7, ?8, body
             FROM bodies, kinds WHERE bodies.seq = ?9 AND kinds.id = ?10",
        )?
        .execute(params![
            seq,
            row.queue,
            row.id,
            cause.reason,
            self.now,
            row.receives,
            row.group,
            cause.error,
            row.seq,
            row.kind
        ])?;
        Ok(())
    }
}

const LIST: &str = "SELECT dead_letters.seq, queues.name, dead_letters.id, job, reason, buried_at, receives, grp, error, body \
    FROM dead_letters INDEXED BY dead_letters_queue JOIN queues ON queues.id = dead_letters.queue \
    WHERE dead_letters.queue = ?1 AND dead_letters.seq > ?2 ORDER BY dead_letters.seq LIMIT ?3";

/// A queue's dead letters, oldest first, from behind `after` on.
pub(crate) fn list(connection: &Connection, queue: i64, after: i64, limit: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    connection
        .prepare_cached(LIST)?
        .query_map(params![queue, after, i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(DeadLetter {
                number: row.get(0)?,
                queue: row.get(1)?,
                id: row.get(2)?,
                job: row.get(3)?,
                reason: row.get(4)?,
                dead_since: time::moment(row.get(5)?),
                receive_count: row.get(6)?,
                group: row.get(7)?,
                error: row.get(8)?,
                body: row.get(9)?,
            })
        })?
        .collect()
}

/// How many dead letters each queue has.
pub(crate) fn counts(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    connection
        .prepare_cached(
            "SELECT queues.name, (SELECT count(*) FROM dead_letters WHERE queue = queues.id) FROM queues ORDER BY 1",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?
        .map(|row| row.map(|(name, letters)| (name, u64::try_from(letters).unwrap_or(0))))
        .collect()
}
