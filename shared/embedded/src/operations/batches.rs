//! Batches: jobs that are watched as one.
//!
//! A batch is a row of `jobs` without a message, in the state `waiting` while any of its jobs is open, a row of `batches`
//! with its counts, and a row of `members` for each of its jobs. Creating one, with all of its jobs, is one transaction.
//! At the end of each transaction, the jobs that ended in it are counted in their batches; those that are complete end,
//! which the batches around them count, and so on, without recursion.

use std::collections::BTreeMap;

use lamplighter::{
    Batch, EnqueueError, Enqueued, JobId, JobState, RawValue, backend::BatchJobs, message::Outcome, record::Progress,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    enqueue::{self, Entry},
    insert::{Insert, NewRow},
    relations,
    row::JobRow,
};
use crate::{db::transaction::Transaction, state, time};

const ADD: &str = "INSERT INTO batches (seq, total, succeeded, failed, cancelled) VALUES (?1, ?2, 0, 0, 0)";
pub(super) const JOIN: &str = "INSERT INTO members (seq, batch, counted) VALUES (?1, ?2, 0)";
const GROW: &str = "UPDATE batches SET total = total + ?2 WHERE seq = ?1";
const IS_BATCH: &str = "SELECT EXISTS (SELECT 1 FROM batches WHERE seq = ?1)";
const COUNTS: &str = "SELECT total, succeeded, failed, cancelled FROM batches WHERE seq = ?1";
const COUNT: &str = "UPDATE batches SET succeeded = succeeded + ?2, failed = failed + ?3, cancelled = cancelled + ?4 \
    WHERE seq = ?1 RETURNING total, succeeded, failed, cancelled";
const MEMBER_COUNTS: &str = "UPDATE members SET counted = 1 WHERE seq = ?1 AND counted = 0 RETURNING batch";
const OPEN: &str = "SELECT members.seq FROM members JOIN jobs ON jobs.seq = members.seq \
    WHERE members.batch = ?1 AND jobs.state NOT IN (0, 2, 7, 8)";
const OF_ID: &str = "SELECT jobs.id, jobs.state, jobs.created_at, jobs.since, total, succeeded, failed, cancelled \
    FROM jobs JOIN batches ON batches.seq = jobs.seq WHERE jobs.id = ?1";
const MEMBERS: &str = "SELECT members.seq, jobs.id FROM members JOIN jobs ON jobs.seq = members.seq \
    WHERE members.batch = (SELECT seq FROM jobs WHERE id = ?1) AND members.seq > ?2 ORDER BY members.seq LIMIT ?3";

/// Jobs that have ended in a transaction, of one batch.
#[derive(Default)]
pub(crate) struct Ended {
    succeeded: i64,
    failed: i64,
    cancelled: i64,
}

#[derive(Clone, Copy)]
struct Counts {
    total: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
}

impl Counts {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Self::at(row, 0)
    }

    fn at(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let [total, succeeded, failed, cancelled] = [0, 1, 2, 3].map(|column| row.get(first + column));
        Ok(Self { total: total?, succeeded: succeeded?, failed: failed?, cancelled: cancelled? })
    }

    fn into_batch(self, id: JobId, created_at: i64) -> Batch {
        let mut batch = Batch::new(id, time::moment(created_at));
        batch.total = self.total.unsigned_abs();
        batch.succeeded = self.succeeded.unsigned_abs();
        batch.failed = self.failed.unsigned_abs();
        batch.cancelled = self.cancelled.unsigned_abs();
        batch
    }
}

/// A batch to be created, without what needs no file.
pub(crate) struct Prepared {
    pub(crate) id: JobId,
    pub(crate) jobs: Vec<Entry>,
    pub(crate) callbacks: Vec<Entry>,
    pub(crate) outer: Option<JobId>,
}

type Answer<T> = rusqlite::Result<Result<T, EnqueueError>>;

/// Creates a batch with its jobs, and the jobs that wait for it.
pub(crate) fn create(tx: &mut Transaction<'_>, batch: &Prepared) -> Answer<Enqueued> {
    let id = &batch.id;
    if let Some(row) = tx.row_of(id.as_str())? {
        let owner = tx.owner_of(&row)?;
        let state = state::of(row.state).unwrap_or(JobState::Queued);
        return Ok(Batch::existing(id.clone(), owner, state));
    }
    let outer = match &batch.outer {
        None => None,
        Some(outer) => match tx.open_batch(outer)? {
            Ok(seq) => Some(seq),
            Err(reason) => return Ok(Err(EnqueueError::Batch { id: id.clone(), reason })),
        },
    };
    // Nothing may be written before it is known that all of it can be.
    if let Some(error) = enqueue::refusal(tx, batch.jobs.iter().chain(&batch.callbacks))? {
        return Ok(Err(error));
    }
    let seq = put_record(tx, id)?;
    tx.prepare(ADD)?.execute([seq, count(&batch.jobs)])?;
    if let Some(outer) = outer {
        tx.prepare(JOIN)?.execute([seq, outer])?;
        tx.prepare(GROW)?.execute([outer, 1])?;
    }
    tx.relations.members = Some(true);
    enqueue::enqueue_in(tx, &batch.jobs, seq)?;
    enqueue::enqueue(tx, &batch.callbacks)?;
    if batch.jobs.is_empty() {
        // There is nothing to wait for.
        tx.relations.batches.entry(seq).or_default();
    }
    Ok(Ok(Enqueued::New(id.clone())))
}

/// Adds jobs to a batch that has not ended.
pub(crate) fn add(tx: &mut Transaction<'_>, id: &JobId, jobs: &[Entry]) -> Answer<()> {
    let seq = match tx.open_batch(id)? {
        Ok(seq) => seq,
        Err(reason) => return Ok(Err(EnqueueError::Batch { id: id.clone(), reason })),
    };
    if let Some(error) = enqueue::refusal(tx, jobs.iter())? {
        return Ok(Err(error));
    }
    tx.prepare(GROW)?.execute([seq, count(jobs)])?;
    tx.relations.members = Some(true);
    enqueue::enqueue_in(tx, jobs, seq)?;
    Ok(Ok(()))
}

/// How a batch stands.
pub(crate) fn get(connection: &Connection, id: &JobId) -> rusqlite::Result<Option<Batch>> {
    let read = |row: &Row<'_>| {
        let mut batch = Counts::at(row, 4)?.into_batch(id.clone(), row.get(2)?);
        batch.state = state::of(row.get(1)?).unwrap_or(JobState::Waiting);
        batch.finished_at = if batch.state.is_final() { Some(time::moment(row.get(3)?)) } else { None };
        Ok(batch)
    };
    connection.prepare_cached(OF_ID)?.query_row([id.as_str()], read).optional()
}

/// The jobs of a batch, in the order in which they were added; `None` if the cursor is not from this store.
pub(crate) fn jobs(
    connection: &Connection,
    id: &JobId,
    cursor: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Option<BatchJobs>> {
    let Ok(after) = cursor.map_or(Ok(0), str::parse::<i64>) else { return Ok(None) };
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let found: Vec<(i64, String)> = connection
        .prepare_cached(MEMBERS)?
        .query_map(params![id.as_str(), after, most.saturating_add(1)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let next = (found.len() > limit).then(|| found[limit.saturating_sub(1)].0.to_string());
    let ids = found.into_iter().take(limit).filter_map(|(_, id)| JobId::new(id).ok()).collect();
    Ok(Some(BatchJobs::new(ids, next)))
}

impl Transaction<'_> {
    /// Returns whether this row is a batch.
    pub(crate) fn is_batch(&self, seq: i64) -> rusqlite::Result<bool> {
        self.prepare(IS_BATCH)?.query_row([seq], |row| row.get(0))
    }

    /// The row of a batch that has not ended, or why jobs cannot be added to it.
    fn open_batch(&self, id: &JobId) -> rusqlite::Result<Result<i64, String>> {
        let row = self.row_of(id.as_str())?;
        let owner = row.as_ref().map(|row| self.owner_of(row)).transpose()?;
        let state = row.as_ref().map(|row| state::of(row.state).unwrap_or(JobState::Queued));
        Ok(match (Batch::closed(id, owner.as_ref().zip(state)), row) {
            (None, Some(row)) => Ok(row.seq),
            (reason, _) => Err(reason.unwrap_or_default()),
        })
    }

    /// The jobs of a batch that have not ended.
    pub(crate) fn open_members(&self, batch: i64) -> rusqlite::Result<Vec<i64>> {
        self.prepare(OPEN)?.query_map([batch], |row| row.get(0))?.collect()
    }

    /// Counts a job that has ended in its batch, if it has one that has not counted it.
    pub(crate) fn count_in_batch(&mut self, seq: i64, code: i64) -> rusqlite::Result<()> {
        let batch: Option<i64> = self.prepare(MEMBER_COUNTS)?.query_row([seq], |row| row.get(0)).optional()?;
        let Some(batch) = batch else { return Ok(()) };
        let ended = self.relations.batches.entry(batch).or_default();
        match code {
            state::SUCCEEDED => ended.succeeded += 1,
            state::FAILED => ended.failed += 1,
            _ => ended.cancelled += 1,
        }
        Ok(())
    }

    /// Writes what was counted, and ends the batches whose jobs have all ended.
    pub(crate) fn write_batches(&mut self, counted: BTreeMap<i64, Ended>) -> rusqlite::Result<()> {
        for (seq, Ended { succeeded, failed, cancelled }) in counted {
            let counts = match succeeded + failed + cancelled {
                0 => self.prepare(COUNTS)?.query_row([seq], Counts::of).optional()?,
                _ => {
                    let change = params![seq, succeeded, failed, cancelled];
                    self.prepare(COUNT)?.query_row(change, Counts::of).optional()?
                }
            };
            let row = self.row(seq)?.filter(|row| row.state == state::WAITING);
            let (Some(counts), Some(row)) = (counts, row) else { continue };
            if counts.succeeded + counts.failed + counts.cancelled == counts.total {
                self.end_batch(&row, counts)?;
            } else if counts.failed + counts.cancelled == failed + cancelled && failed + cancelled > 0 {
                // The first.
                relations::follow_to(self, &row.id, JobState::Failed, Some(Outcome::Failure))?;
            }
        }
        Ok(())
    }

    fn end_batch(&mut self, row: &JobRow, counts: Counts) -> rusqlite::Result<()> {
        let Ok(id) = JobId::new(&row.id) else { return Ok(()) };
        let batch = counts.into_batch(id, self.now);
        self.put_progress(row.seq, Progress { done: batch.done(), total: batch.total })?;
        if let Ok(output) = RawValue::from_string(batch.output()) {
            self.put_output(row.seq, &output)?;
        }
        self.end(row, state::code(batch.outcome()), self.now, time::after(self.now, Batch::KEPT))
    }
}

fn count(jobs: &[Entry]) -> i64 {
    i64::try_from(jobs.len()).unwrap_or(i64::MAX)
}

/// Adds the row of a batch's own record.
fn put_record(tx: &mut Transaction<'_>, id: &JobId) -> rusqlite::Result<i64> {
    let queue = tx.queue(Batch::QUEUE)?.id;
    let (kind, seq, now) = (tx.kind(queue, Batch::JOB)?, tx.next()?, tx.now);
    let body = Batch::message(id, time::moment(now)).to_json();
    let row = NewRow {
        seq,
        id: id.as_str(),
        queue,
        kind,
        state: state::WAITING,
        visible_at: None,
        due_at: now,
        group: None,
        place: None,
        body: &body,
    };
    Insert::new(tx)?.one(tx, &row)?;
    tx.add_to_block(kind, seq)?;
    tx.enters(kind, state::WAITING);
    tx.effects.job(id.as_str());
    Ok(seq)
}
