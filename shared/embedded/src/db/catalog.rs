//! Names that are stored once in the file, and their numbers in its rows.

use std::{collections::HashMap, ops::Range, sync::Arc};

use lamplighter::Queue;
use rusqlite::{Connection, OptionalExtension, params};

use super::transaction::Transaction;
use crate::{state, time::HELD};

/// A queue's row in the file.
#[derive(Debug, Clone)]
pub(crate) struct QueueRow {
    pub(crate) id: i64,
    pub(crate) fifo: bool,
}

/// The names that the writer has used. Other processes only add names, and change what [`Catalog::forget`] drops.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    queues: HashMap<Arc<str>, QueueRow>,
    by_id: HashMap<i64, QueueRow>,
    job_names: HashMap<i64, HashMap<Arc<str>, i64>>,
    hosts: HashMap<Arc<str>, i64>,
    /// The number of the host that was added last, once it is known.
    last_host: Option<i64>,
    /// The block of the last record of each kind.
    blocks: HashMap<i64, i64>,
    /// The last entry of `blocks`: most rows are in the same block as the row before.
    block: Option<(i64, i64)>,
    /// Numbers of rows that are reserved for this process.
    pub(crate) numbers: Range<i64>,
    /// The latest moment of a transaction, once it is known.
    pub(crate) latest: Option<i64>,
    /// The moment that this process last stored as the latest.
    pub(crate) kept: Option<i64>,
}

/// The block of a row of `jobs`.
pub(crate) const fn block_of(seq: i64) -> i64 {
    seq >> BLOCK_BITS
}

/// The first row of a block.
pub(crate) const fn first_of_block(block: i64) -> i64 {
    block << BLOCK_BITS
}

/// A block has 256 rows: read in less than a tenth of a millisecond, with one entry in `blocks`.
const BLOCK_BITS: u32 = 8;

const PUT_BLOCK: &str = "INSERT INTO blocks (kind, block) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
const EMPTY_BLOCK: &str = "DELETE FROM blocks WHERE kind = ?1 AND block = ?2 AND NOT EXISTS \
    (SELECT 1 FROM jobs WHERE seq >= ?3 AND seq < ?4 AND kind = ?1 AND state != 0)";

impl Catalog {
    /// Called after another process has written, or a transaction with new names was rolled back.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Transaction<'_> {
    /// Returns the queue with that name. An undeclared queue is created as a standard one: its jobs wait, visible in
    /// every listing, for the function that will consume it, and are not lost.
    pub(crate) fn queue(&mut self, name: &str) -> rusqlite::Result<QueueRow> {
        if let Some(queue) = self.catalog.queues.get(name) {
            return Ok(queue.clone());
        }
        let found = find_queue(self.connection, name)?;
        let queue = match found {
            Some(queue) => queue,
            None => {
                self.prepare("INSERT INTO queues (name, fifo, paused) VALUES (?1, 0, 0)")?.execute([name])?;
                QueueRow { id: self.connection.last_insert_rowid(), fifo: false }
            }
        };
        self.catalog.queues.insert(name.into(), queue.clone());
        self.catalog.by_id.insert(queue.id, queue.clone());
        Ok(queue)
    }

    /// Returns whether the queue with that number is a FIFO queue.
    pub(crate) fn is_fifo(&mut self, id: i64) -> rusqlite::Result<bool> {
        if let Some(queue) = self.catalog.by_id.get(&id) {
            return Ok(queue.fifo);
        }
        let fifo = self.prepare("SELECT fifo FROM queues WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
        self.catalog.by_id.insert(id, QueueRow { id, fifo });
        Ok(fifo)
    }

    /// The number of a job's name on a queue.
    pub(crate) fn kind(&mut self, queue: i64, job: &str) -> rusqlite::Result<i64> {
        if let Some(kind) = self.catalog.job_names.get(&queue).and_then(|job_names| job_names.get(job)) {
            return Ok(*kind);
        }
        self.prepare("INSERT INTO kinds (queue, job) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
            .execute(params![queue, job])?;
        let kind = self
            .prepare("SELECT id FROM kinds WHERE queue = ?1 AND job = ?2")?
            .query_row(params![queue, job], |row| row.get(0))?;
        self.catalog.job_names.entry(queue).or_default().insert(job.into(), kind);
        Ok(kind)
    }

    /// Adds a row's block to those of a kind, where listings look for its records.
    pub(crate) fn add_to_block(&mut self, kind: i64, seq: i64) -> rusqlite::Result<()> {
        let block = block_of(seq);
        if self.catalog.block.replace((kind, block)) == Some((kind, block)) {
            return Ok(());
        }
        if self.catalog.blocks.insert(kind, block) != Some(block) {
            self.prepare(PUT_BLOCK)?.execute([kind, block])?;
        }
        Ok(())
    }

    /// Removes a block from those of a kind, if it has no more records of it.
    pub(crate) fn remove_from_block(&mut self, kind: i64, block: i64) -> rusqlite::Result<()> {
        let (first, end) = (first_of_block(block), first_of_block(block + 1));
        if self.prepare(EMPTY_BLOCK)?.execute([kind, block, first, end])? > 0 {
            self.catalog.blocks.remove(&kind);
            self.catalog.block = None;
        }
        Ok(())
    }

    /// The number of a host's name.
    pub(crate) fn host(&mut self, name: &str) -> rusqlite::Result<i64> {
        if let Some(host) = self.catalog.hosts.get(name) {
            return Ok(*host);
        }
        self.prepare("INSERT INTO hosts (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([name])?;
        let host = self.prepare("SELECT id FROM hosts WHERE name = ?1")?.query_row([name], |row| row.get(0))?;
        self.catalog.hosts.insert(name.into(), host);
        self.catalog.last_host = None;
        Ok(host)
    }

    /// What stands for the host in the row of a new job, which has none: a number of such a length that the row keeps its length
    /// when the host that was added last claims the job. SQLite then overwrites it in place.
    pub(crate) fn no_host(&mut self, state: i64) -> rusqlite::Result<i64> {
        let last = match self.catalog.last_host {
            Some(last) => last,
            None => self.prepare("SELECT coalesce(max(id), 0) FROM hosts")?.query_row([], |row| row.get(0))?,
        };
        self.catalog.last_host = Some(last);
        // As SQLite stores them, 0 and 1 take no byte, numbers below 128 one, and so on: the state may take one more.
        let bytes = match last {
            ..=1 => 0,
            2..=0x7F => 1,
            0x80..=0x7FFF => 2,
            _ => 3,
        };
        Ok(match bytes + i64::from(state <= 1) {
            0 => 0,
            1 => -1,
            2 => -0x81,
            3 => -0x8001,
            _ => -0x80_0001,
        })
    }

    /// Stores the kind of this queue, for every process that uses the file.
    pub(crate) fn declare(&mut self, queue: &Queue) -> rusqlite::Result<()> {
        let known = self.queue(queue.name())?;
        if known.fifo == queue.is_fifo() {
            return Ok(());
        }
        self.prepare("UPDATE queues SET fifo = ?2 WHERE id = ?1")?.execute(params![known.id, queue.is_fifo()])?;
        // Messages that were sent before the declaration.
        if queue.is_fifo() {
            self.prepare(
                "UPDATE jobs SET place = seq, grp = coalesce(grp, '') WHERE queue = ?1 AND visible_at IS NOT NULL",
            )?
            .execute([known.id])?;
            self.prepare(
                "UPDATE jobs SET visible_at = ?2 WHERE queue = ?1 AND visible_at IS NOT NULL AND EXISTS (
                   SELECT 1 FROM jobs first WHERE first.queue = jobs.queue AND first.grp = jobs.grp
                   AND first.place IS NOT NULL AND first.place < jobs.place)",
            )?
            .execute([known.id, HELD])?;
        } else {
            self.prepare("UPDATE jobs SET place = NULL WHERE queue = ?1 AND place IS NOT NULL")?.execute([known.id])?;
            self.prepare("UPDATE jobs SET visible_at = due_at WHERE queue = ?1 AND visible_at = ?2")?
                .execute([known.id, HELD])?;
        }
        self.catalog.forget();
        self.effects.queue(known.id);
        Ok(())
    }
}

/// The queue with that name, if it is in the file.
pub(crate) fn find_queue(connection: &Connection, name: &str) -> rusqlite::Result<Option<QueueRow>> {
    connection
        .prepare_cached("SELECT id, fifo FROM queues WHERE name = ?1")?
        .query_row([name], |row| Ok(QueueRow { id: row.get(0)?, fifo: row.get(1)? }))
        .optional()
}

/// A queue and a job's name.
#[derive(Debug, Clone)]
pub(crate) struct QueueJob {
    pub(crate) id: i64,
    pub(crate) queue: String,
    pub(crate) job: String,
}

/// All kinds: one for each job on each queue.
pub(crate) fn queue_jobs(connection: &Connection) -> rusqlite::Result<Vec<QueueJob>> {
    connection
        .prepare_cached("SELECT kinds.id, queues.name, kinds.job FROM kinds JOIN queues ON queues.id = kinds.queue")?
        .query_map([], |row| Ok(QueueJob { id: row.get(0)?, queue: row.get(1)?, job: row.get(2)? }))?
        .collect()
}

/// The numbers of records of all kinds in each state.
pub(crate) struct Counted(HashMap<i64, [u64; 9]>);

impl Counted {
    /// Reads one row per kind and state.
    pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("SELECT kind, state, jobs FROM counts")?;
        let mut rows = statement.query([])?;
        let mut all: HashMap<i64, [u64; 9]> = HashMap::new();
        while let Some(row) = rows.next()? {
            let (state, jobs): (i64, i64) = (row.get(1)?, row.get(2)?);
            let of_kind = all.entry(row.get(0)?).or_default();
            if let Some(of_state) = usize::try_from(state).ok().and_then(|state| of_kind.get_mut(state)) {
                *of_state = u64::try_from(jobs).unwrap_or(0);
            }
        }
        Ok(Self(all))
    }

    /// Of a kind in a state, by its code.
    pub(crate) fn of(&self, kind: i64, code: i64) -> u64 {
        let of_state = self.0.get(&kind).zip(usize::try_from(code).ok());
        of_state.and_then(|(of_kind, code)| of_kind.get(code)).copied().unwrap_or_default()
    }
}

/// The number of records of a kind in a state; see `counts`.
pub(crate) fn counted(connection: &Connection, kind: i64, code: i64) -> rusqlite::Result<u64> {
    debug_assert!(code != state::UNTRACKED, "messages without a record are not counted");
    let jobs: Option<i64> = connection
        .prepare_cached("SELECT jobs FROM counts WHERE kind = ?1 AND state = ?2")?
        .query_row([kind, code], |row| row.get(0))
        .optional()?;
    Ok(jobs.and_then(|jobs| u64::try_from(jobs).ok()).unwrap_or(0))
}

/// The names of all queues.
pub(crate) fn queue_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare_cached("SELECT name FROM queues ORDER BY name")?.query_map([], |row| row.get(0))?.collect()
}

/// The names of all jobs; a body without a name is not a job.
pub(crate) fn job_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT DISTINCT job FROM kinds WHERE job != '' ORDER BY job";
    connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}
