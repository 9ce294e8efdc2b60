//! Receiving messages.
//!
//! Receiving a job with a record writes nothing: only this engine receives from this file, so it keeps the messages in
//! flight in memory, and after a crash all messages are visible immediately. The claim that follows is durable, and
//! counts the receive.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension, Row, params, types::ValueRef};

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
    /// The group on a standard queue, where it stands for a tenant.
    pub(crate) tenant: Option<Arc<str>>,
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

/// What is known of the tenants of a standard queue.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tenants {
    /// The messages of each that are waiting in the buffer.
    pub(crate) held: HashMap<Arc<str>, usize>,
    /// The tenant with which the last receive ended.
    pub(crate) last: Option<Arc<str>>,
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
    /// For a queue with tenants.
    pub(crate) fair: Option<Fair>,
}

/// The result of a receive from a queue with tenants.
#[derive(Debug)]
pub(crate) struct Fair {
    /// The tenant after which the next receive goes on; `None` if that begins with the first again.
    pub(crate) last: Option<Arc<str>>,
    /// Whether the cursor is in the middle of the messages without a tenant, and must go on from there.
    pub(crate) goes_on: bool,
    /// Whether any of these tenants has visible messages that were not taken.
    pub(crate) rest: bool,
}

impl Found {
    const fn nothing(cursor: Cursor) -> Self {
        Self { messages: Vec::new(), cursor, all: false, next: None, fair: None }
    }
}

const VISIBLE: &str = "SELECT jobs.seq, jobs.visible_at, jobs.kind, jobs.id, jobs.receives, jobs.state, \
    jobs.grp, bodies.body, jobs.owner FROM jobs INDEXED BY jobs_ready CROSS JOIN bodies ON bodies.seq = jobs.seq \
    WHERE jobs.queue = ?1 AND jobs.visible_at IS NOT NULL AND (jobs.visible_at, jobs.seq) > (?2, ?3) \
    AND jobs.visible_at <= ?4 ORDER BY jobs.visible_at, jobs.seq";

const HAS_TENANTS: &str = "SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_tenants \
    WHERE queue = ?1 AND grp IS NOT NULL AND place IS NULL AND visible_at IS NOT NULL)";

const NEXT_TENANT: &str = "SELECT grp FROM jobs INDEXED BY jobs_tenants \
    WHERE queue = ?1 AND grp > ?2 AND place IS NULL AND visible_at IS NOT NULL ORDER BY grp LIMIT 1";

const OF_TENANT: &str = "SELECT jobs.seq, jobs.visible_at, jobs.kind, jobs.id, jobs.receives, jobs.state, \
    jobs.grp, bodies.body, jobs.owner FROM jobs INDEXED BY jobs_tenants CROSS JOIN bodies ON bodies.seq = jobs.seq \
    WHERE jobs.queue = ?1 AND jobs.grp = ?2 AND jobs.place IS NULL AND jobs.visible_at IS NOT NULL \
    AND jobs.visible_at <= ?3 ORDER BY jobs.visible_at";

/// The most tenants of one receive: the next one goes on with the others.
const TENANTS: usize = 64;
/// The most messages of tenants that are passed over in one receive, in search of those without one.
const PASSED_OVER: usize = 5000;

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
pub(crate) fn receive(
    connection: &Connection,
    wanted: &Expected,
    in_flight: &HashSet<i64>,
    tenants: &Tenants,
) -> rusqlite::Result<Found> {
    let has_tenants = !wanted.fifo
        && connection.prepare_cached(HAS_TENANTS)?.query_row([wanted.queue], |row| row.get::<_, bool>(0))?;
    let find = |wanted: &Expected| -> rusqlite::Result<Found> {
        let mut found = Found::nothing(wanted.from);
        if has_tenants {
            fairly(connection, wanted, in_flight, tenants, &mut found)?;
        } else {
            visible(connection, wanted, in_flight, false, &mut found)?;
        }
        Ok(found)
    };
    let mut found = find(wanted)?;
    if found.all && wanted.from.visible_at > i64::MIN {
        // Messages may have been added before the cursor: from another process that was slow to commit, or under a
        // clock that was set back.
        found = find(&Expected { from: Cursor::START, ..*wanted })?;
    }
    if found.all || found.fair.is_some() {
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

/// Finds messages in the order in which they became visible; `without_tenants` passes over those of tenants.
fn visible(
    connection: &Connection,
    wanted: &Expected,
    in_flight: &HashSet<i64>,
    without_tenants: bool,
    found: &mut Found,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(VISIBLE)?;
    let mut rows = statement.query(params![wanted.queue, wanted.from.visible_at, wanted.from.seq, wanted.now])?;
    let (mut bytes, mut passed_over) = (0, 0);
    while found.messages.len() < wanted.messages && bytes < MOST_BYTES && passed_over < PASSED_OVER {
        let Some(row) = rows.next()? else {
            found.all = true;
            break;
        };
        let seq = row.get(0)?;
        found.cursor = Cursor { visible_at: row.get(1)?, seq };
        if in_flight.contains(&seq) {
            continue;
        }
        if without_tenants && !matches!(row.get_ref(6)?, ValueRef::Null) {
            passed_over += 1;
            continue;
        }
        let message = received(row, wanted.fifo)?;
        bytes += message.body.len();
        found.messages.push(message);
    }
    Ok(())
}

/// A row of [`VISIBLE`] or [`OF_TENANT`].
fn received(row: &Row<'_>, fifo: bool) -> rusqlite::Result<Received> {
    let group: Option<String> = row.get(6)?;
    let (group, tenant) = if fifo { (group, None) } else { (None, group.map(Arc::from)) };
    Ok(Received {
        receipt: Receipt { seq: row.get(0)?, kind: row.get(2)? },
        owner: row.get(8)?,
        id: row.get(3)?,
        body: row.get(7)?,
        receives: row.get(4)?,
        group,
        tenant,
        untracked: row.get::<_, i64>(5)? == state::UNTRACKED,
    })
}

/// Finds messages of each tenant, and of those without one, in equal shares and in turn.
fn fairly(
    connection: &Connection,
    wanted: &Expected,
    in_flight: &HashSet<i64>,
    tenants: &Tenants,
    found: &mut Found,
) -> rusqlite::Result<()> {
    let (names, more) = some_tenants(connection, wanted.queue, tenants.last.as_deref())?;
    let share = wanted.messages.div_ceil(names.len() + 1);
    let mut others = Found::nothing(wanted.from);
    visible(connection, &Expected { messages: share, ..*wanted }, in_flight, true, &mut others)?;
    let mut rest = !others.all;
    let mut lanes = vec![VecDeque::from(others.messages)];
    let mut statement = connection.prepare_cached(OF_TENANT)?;
    let most_bytes = MOST_BYTES / (names.len() + 1);
    for name in &names {
        // What is in the buffer already is a part of the share.
        let room = share.saturating_sub(tenants.held.get(name).copied().unwrap_or(0));
        let (mut lane, mut bytes) = (VecDeque::new(), 0);
        let mut rows = statement.query(params![wanted.queue, &**name, wanted.now])?;
        loop {
            if lane.len() >= room || bytes >= most_bytes {
                rest = true;
                break;
            }
            let Some(row) = rows.next()? else { break };
            if in_flight.contains(&row.get(0)?) {
                continue;
            }
            let message = received(row, false)?;
            bytes += message.body.len();
            lane.push_back(message);
        }
        lanes.push(lane);
    }
    while lanes.iter().any(|lane| !lane.is_empty()) {
        found.messages.extend(lanes.iter_mut().filter_map(VecDeque::pop_front));
    }
    found.cursor = others.cursor;
    found.all = !rest && !more && tenants.last.is_none();
    found.fair = Some(Fair { last: names.last().cloned().filter(|_| more), goes_on: !others.all, rest });
    Ok(())
}

/// Some tenants with messages, in the order of their names and after the last one, and whether there are more of them.
fn some_tenants(connection: &Connection, queue: i64, last: Option<&str>) -> rusqlite::Result<(Vec<Arc<str>>, bool)> {
    let mut statement = connection.prepare_cached(NEXT_TENANT)?;
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut after = last.unwrap_or_default().to_owned();
    while let Some(name) = statement.query_row(params![queue, after], |row| row.get::<_, String>(0)).optional()? {
        if names.len() == TENANTS {
            return Ok((names, true));
        }
        names.push(name.as_str().into());
        after = name;
    }
    Ok((names, false))
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
                tenant: None,
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
