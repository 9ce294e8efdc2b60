//! Dead letters.

use lamplighter::{
    backend::{DeadLetter, DeadLetterFilter, DeadLetterKey, DeadLetterPage},
    host::DeadLetterCause,
};
use rusqlite::{Connection, params};

use super::{redrive::Bounds, row::JobRow};
use crate::{db::transaction::Transaction, time};

/// Why a message becomes a dead letter.
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
    /// Moves a row's message to the dead-letter queue. The caller updates the row itself.
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
    WHERE dead_letters.queue = ?1 AND dead_letters.seq > ?2 AND (?3 IS NULL OR job = ?3) AND buried_at >= ?4 AND buried_at < ?5 \
    AND (?6 IS NULL OR dead_letters.seq = ?6) AND (?7 IS NULL OR reason = ?7) ORDER BY dead_letters.seq LIMIT ?8";

/// Returns a queue's dead letters that match, oldest first, after the number `after`.
pub(crate) fn page(
    connection: &Connection,
    queue: i64,
    filter: &DeadLetterFilter,
    after: i64,
    limit: usize,
) -> rusqlite::Result<DeadLetterPage> {
    let Some(Bounds { seq, job, reason, from, below }) = Bounds::of(filter) else {
        return Ok(DeadLetterPage::default());
    };
    // One more, to find out whether there is another page.
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut numbers = Vec::new();
    let mut dead_letters = connection
        .prepare_cached(LIST)?
        .query_map(params![queue, after, job, from, below, seq, reason, most], |row| {
            let number = row.get(0)?;
            numbers.push(number);
            let key = DeadLetterKey::Number(number);
            let (queue, id, body): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(9)?);
            let mut dead_letter = DeadLetter::new(key, queue, id, body);
            (dead_letter.job, dead_letter.reason) = (row.get(3)?, row.get(4)?);
            (dead_letter.dead_since, dead_letter.receive_count) = (time::moment(row.get(5)?), row.get(6)?);
            (dead_letter.group, dead_letter.error) = (row.get(7)?, row.get(8)?);
            Ok(dead_letter)
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let next = match dead_letters.len() > limit {
        true => limit.checked_sub(1).and_then(|last| numbers.get(last)).map(ToString::to_string),
        false => None,
    };
    dead_letters.truncate(limit);
    Ok(DeadLetterPage::oldest(dead_letters, next))
}
