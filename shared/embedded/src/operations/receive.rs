//! Receiving messages.
//!
//! Receiving a job with a record writes nothing: only this engine receives from this file, so it keeps the messages in
//! flight in memory, and after a crash all messages are visible immediately. The claim that follows is durable, and
//! counts the receive.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::{dead_letters::Cause, receipt::Receipt};
use crate::{db::transaction::Transaction, state, time::HELD};

/// The approximate limit of the bodies in one receive: limits memory.
const MOST_BYTES: usize = 8 << 20;

/// A message that has been received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) receipt: Receipt,
    /// The owner of its row when it was received.
    pub(crate) owner: i64,
    pub(crate) id: String,
    pub(crate) body: String,
    /// The number of earlier receives.
    pub(crate) receives: u32,
    pub(crate) group: Option<String>,
    /// Whether it has no record, so that the receive itself must be counted in the file.
    pub(crate) untracked: bool,
}

/// The end of the last receive: nearly everything before it is in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    pub(crate) visible_at: i64,
    pub(crate) seq: i64,
}

impl Cursor {
    pub(crate) const START: Self = Self { visible_at: i64::MIN, seq: i64::MIN };
}

/// The result of a receive.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Received>,
    pub(crate) cursor: Cursor,
    /// Whether this is everything that is visible and not in flight.
    pub(crate) all: bool,
    /// When the next message becomes visible, if everything visible was found.
    pub(crate) next: Option<i64>,
}

const VISIBLE: &str = "SELECT jobs.seq, jobs.visible_at, jobs.kind, jobs.id, jobs.receives, jobs.state, \
    jobs.grp, bodies.body, jobs.owner FROM jobs INDEXED BY jobs_ready CROSS JOIN bodies ON bodies.seq = jobs.seq \
    WHERE jobs.queue = ?1 AND jobs.visible_at IS NOT NULL AND (jobs.visible_at, jobs.seq) > (?2, ?3) \
    AND jobs.visible_at <= ?4 ORDER BY jobs.visible_at, jobs.seq";

const NEXT: &str = "SELECT visible_at FROM jobs INDEXED BY jobs_ready \
    WHERE queue = ?1 AND visible_at IS NOT NULL AND visible_at > ?2 ORDER BY visible_at LIMIT 1";

const FOLLOWERS: &str = "SELECT jobs.seq, jobs.kind, jobs.id, jobs.receives, jobs.state, bodies.body, jobs.owner \
    FROM jobs INDEXED BY jobs_groups CROSS JOIN bodies ON bodies.seq = jobs.seq \
    WHERE jobs.queue = ?1 AND jobs.grp = ?2 AND jobs.place IS NOT NULL AND jobs.visible_at = ?3 \
    ORDER BY jobs.place LIMIT ?4";

/// A request for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) queue: i64,
    pub(crate) fifo: bool,
    pub(crate) now: i64,
    pub(crate) messages: usize,
    /// The largest number of messages of one FIFO group.
    pub(crate) of_group: usize,
    pub(crate) from: Cursor,
}

/// Finds messages that are visible and not in flight.
pub(crate) fn receive(connection: &Connection, wanted: &Expected, in_flight: &HashSet<i64>) -> rusqlite::Result<Found> {
    let mut found = Found { messages: Vec::new(), cursor: wanted.from, all: false, next: None };
    visible(connection, wanted, in_flight, &mut found)?;
    if found.all && wanted.from.visible_at > i64::MIN {
        // Messages may have been added before the cursor: from another process that was slow to commit, or under a
        // clock that was set back.
        let again = Expected { from: Cursor::START, ..*wanted };
        found = Found { messages: Vec::new(), cursor: Cursor::START, all: false, next: None };
        visible(connection, &again, in_flight, &mut found)?;
    }
    if found.all {
        found.next = connection
            .prepare_cached(NEXT)?
            .query_row(params![wanted.queue, wanted.now], |row| row.get(0))
            .optional()?
            .filter(|next| *next != HELD);
    }
    if wanted.fifo {
        followers(connection, wanted, in_flight, &mut found.messages)?;
    }
    Ok(found)
}

fn visible(
    connection: &Connection,
    wanted: &Expected,
    in_flight: &HashSet<i64>,
    found: &mut Found,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(VISIBLE)?;
    let mut rows = statement.query(params![wanted.queue, wanted.from.visible_at, wanted.from.seq, wanted.now])?;
    let mut bytes = 0;
    while found.messages.len() < wanted.messages && bytes < MOST_BYTES {
        let Some(row) = rows.next()? else {
            found.all = true;
            break;
        };
        let seq = row.get(0)?;
        found.cursor = Cursor { visible_at: row.get(1)?, seq };
        if in_flight.contains(&seq) {
            continue;
        }
        let body: String = row.get(7)?;
        bytes += body.len();
        found.messages.push(Received {
            receipt: Receipt { seq, kind: row.get(2)? },
            owner: row.get(8)?,
            id: row.get(3)?,
            body,
            receives: row.get(4)?,
            group: if wanted.fifo { row.get(6)? } else { None },
            untracked: row.get::<_, i64>(5)? == state::UNTRACKED,
        });
    }
    Ok(())
}

/// Fills the remaining slots with messages that wait behind the first of each group; they run after it, in the same
/// batch.
fn followers(
    connection: &Connection,
    wanted: &Expected,
    in_flight: &HashSet<i64>,
    messages: &mut Vec<Received>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(FOLLOWERS)?;
    let heads = messages.len();
    for head in 0..heads {
        let room = wanted.messages.saturating_sub(messages.len()).min(wanted.of_group.saturating_sub(1));
        if room == 0 {
            return Ok(());
        }
        let Some(group) = messages[head].group.clone() else { continue };
        let mut rows = statement.query(params![wanted.queue, group, HELD, i64::try_from(room).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            let seq = row.get(0)?;
            if in_flight.contains(&seq) {
                // The first message was released while these are still with a worker: the group stays together.
                break;
            }
            messages.push(Received {
                receipt: Receipt { seq, kind: row.get(1)? },
                owner: row.get(6)?,
                id: row.get(2)?,
                body: row.get(5)?,
                receives: row.get(3)?,
                group: Some(group.clone()),
                untracked: row.get::<_, i64>(4)? == state::UNTRACKED,
            });
        }
    }
    Ok(())
}

/// Counts the receive of messages without a record, which no claim counts. A message that was received `limit` times
/// without an answer has killed its host each time: it becomes a dead letter, and its number is returned.
pub(crate) fn count(tx: &mut Transaction<'_>, messages: &[i64], limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut dead_lettered = Vec::new();
    for seq in messages {
        let Some(row) = tx.row(*seq)? else {
            dead_lettered.push(*seq);
            continue;
        };
        if row.state == state::UNTRACKED && row.receives >= limit {
            let error = format!("received {} times, and each time its host ended without a word", row.receives);
            tracing::error!(id = row.id, error, "message moved to the dead letters");
            tx.dead_letter(
                &row,
                &Cause { reason: lamplighter::backend::DeadLetterReason::AttemptsExhausted.as_str(), error },
            )?;
            tx.remove(&row)?;
            dead_lettered.push(*seq);
        } else {
            tx.prepare("UPDATE jobs SET receives = receives + 1 WHERE seq = ?1")?.execute([seq])?;
        }
    }
    Ok(dead_lettered)
}
