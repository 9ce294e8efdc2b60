//! Cancelling jobs.

use lamplighter::{
    JobState, Retention,
    record::{Attempt, AttemptOutcome},
};
use rusqlite::params;

use super::{attempts::AttemptRow, row::JobRow};
use crate::{db::transaction::Transaction, state, time};

/// Cancels a job that has not ended. A running attempt is added to the history and loses its lease: its settlement is
/// then fenced.
pub(crate) fn cancel(tx: &mut Transaction<'_>, id: &str, reason: Option<&str>) -> rusqlite::Result<Option<JobState>> {
    let Some(row) = tx.row_of(id)? else { return Ok(None) };
    if state::is_final(row.state) {
        return Ok(state::of(row.state));
    }
    let mut open = vec![row];
    while let Some(row) = open.pop() {
        // A batch is cancelled with all of its jobs, and the batches among them with theirs.
        if row.state == state::WAITING && tx.is_batch(row.seq)? {
            for member in tx.open_members(row.seq)? {
                open.extend(tx.row(member)?);
            }
        }
        one(tx, &row, reason)?;
    }
    Ok(Some(JobState::Cancelled))
}

fn one(tx: &mut Transaction<'_>, row: &JobRow, reason: Option<&str>) -> rusqlite::Result<()> {
    if row.state == state::UNTRACKED {
        // It has no record, and cancelling does not create one: only its message is deleted.
        return tx.remove(row);
    }
    let now = tx.now;
    if row.state == state::RUNNING {
        let cancelled = AttemptRow {
            number: row.attempt,
            started_at: row.since.min(now),
            ended_at: now,
            host: row.host,
            outcome: AttemptOutcome::Cancelled,
            error: Some(&Attempt::cancelled(reason)),
            fingerprint: None,
        };
        tx.add_attempt(row.seq, &cancelled)?;
    }
    if let Some(reason) = reason {
        tx.put_reason(row.seq, reason)?;
    }
    tx.end(row, state::CANCELLED, now, time::after(now, Retention::default().cancelled))?;
    tx.prepare("UPDATE jobs SET lease_until = ?2 WHERE seq = ?1")?.execute(params![row.seq, now])?;
    Ok(())
}
