//! Pauses queues, and reads their states.

use std::collections::HashMap;

use lamplighter::{
    Batch, JobState,
    backend::{Accuracy, QueueStatus},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    db::{
        catalog::{self, Counted},
        transaction::Transaction,
    },
    operator, state,
    time::{self, HELD},
};

/// Returns whether the queue of that number is paused.
pub(crate) fn is_paused(connection: &Connection, queue: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT paused FROM queues WHERE id = ?1")?.query_row([queue], |row| row.get(0))
}

/// Pauses or resumes a queue. Returns whether a queue of that name exists.
pub(crate) fn pause(tx: &mut Transaction<'_>, queue: &str, paused: bool) -> rusqlite::Result<bool> {
    let known = tx.prepare("UPDATE queues SET paused = ?2 WHERE name = ?1")?.execute(params![queue, paused])?;
    tx.effects.pauses();
    Ok(known == 1)
}

const VISIBLE: &str = "SELECT count(*) FROM jobs INDEXED BY jobs_ready \
    WHERE queue = ?1 AND visible_at IS NOT NULL AND visible_at >= ?2 AND visible_at <= ?3";
/// A running job's message stays visible, so these are passed over: no more than run at once.
const OLDEST: &str = "SELECT visible_at FROM jobs INDEXED BY jobs_ready \
    WHERE queue = ?1 AND visible_at IS NOT NULL AND visible_at <= ?2 AND state != 5 ORDER BY visible_at LIMIT 1";
const DEAD_LETTERS: &str = "SELECT count(*) FROM dead_letters WHERE queue = ?1";

/// Returns the states of all queues, by name. Reads one index entry per message.
pub(crate) fn all(connection: &Connection, now: i64) -> rusqlite::Result<Vec<QueueStatus>> {
    let (counted, mut running) = (Counted::all(connection)?, HashMap::<_, u64>::new());
    for kind in catalog::queue_jobs(connection)? {
        *running.entry(kind.queue).or_default() += counted.of(kind.id, state::code(JobState::Running));
    }
    let mut queues = connection.prepare_cached("SELECT id, name, fifo, paused FROM queues ORDER BY name")?;
    let mut visible = connection.prepare_cached(VISIBLE)?;
    let mut letters = connection.prepare_cached(DEAD_LETTERS)?;
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let mut all = Vec::new();
    let mut rows = queues.query([])?;
    while let Some(row) = rows.next()? {
        let (id, queue): (i64, String) = (row.get(0)?, row.get(1)?);
        // Batches have records, and no queue.
        if queue == Batch::QUEUE {
            continue;
        }
        let mut between = |from: i64, to: i64| visible.query_row([id, from, to], |row| row.get(0)).map(count);
        let (due, held) = (between(i64::MIN, now)?, between(HELD, HELD)?);
        let delayed = between(now.saturating_add(1), HELD - 1)?;
        let running = running.get(&queue).copied().unwrap_or_default();
        let mut status = QueueStatus::new(queue, row.get(2)?, operator::consumer(row.get(3)?), Accuracy::Exact);
        // A running job's message stays visible in the file, so that it is received immediately when its host dies.
        status.waiting = (due + held).saturating_sub(running);
        (status.in_flight, status.delayed) = (running, delayed);
        let oldest = connection.prepare_cached(OLDEST)?.query_row([id, now], |row| row.get(0)).optional()?;
        status.oldest = oldest.map(time::moment);
        status.dead_letters = Some(letters.query_row([id], |row| row.get(0)).map(count)?);
        all.push(status);
    }
    Ok(all)
}
