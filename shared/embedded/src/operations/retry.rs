//! Retrying an ended job by hand.

use lamplighter::{JobState, Record};
use rusqlite::params;

use super::{groups::NO_GROUP, row::JobRow};
use crate::{db::transaction::Transaction, state};

/// Enqueues an ended job again: its history is kept, attempts count from one. Its dead letters are deleted, or a
/// redrive would run it a second time.
pub(crate) fn retry(tx: &mut Transaction<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    run_again(tx, id, again)
}

/// Like [`retry`], for a caller that adds a message of the job to its queue itself.
pub(crate) fn mark_queued(tx: &mut Transaction<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    run_again(tx, id, |tx, row| begin(tx, row, None, None))
}

fn run_again(
    tx: &mut Transaction<'_>,
    id: &str,
    begin: impl FnOnce(&mut Transaction<'_>, &JobRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<Option<JobState>> {
    let Some(row) = tx.row_of(id)? else { return Ok(None) };
    let Some(was) = state::of(row.state) else { return Ok(Some(JobState::Queued)) };
    // A batch does not run: its jobs do.
    if !was.is_final() || tx.is_batch(row.seq)? {
        return Ok(Some(was));
    }
    tx.prepare(
        "DELETE FROM dead_letters WHERE id = ?1 AND queue = ?2 AND job = (SELECT job FROM kinds WHERE kinds.id = ?3)",
    )?
    .execute(params![id, row.queue, row.kind])?;
    begin(tx, &row)?;
    Ok(Some(JobState::Queued))
}

/// Creates a new message for an ended job.
pub(crate) fn again(tx: &mut Transaction<'_>, row: &JobRow) -> rusqlite::Result<()> {
    let (visible_at, place) = tx.enter_queue(row, tx.now)?;
    begin(tx, row, Some(visible_at), place)?;
    tx.effects.queue(row.queue);
    Ok(())
}

/// Begins a new run of an ended job, with its message visible at `visible_at`, if it has one.
fn begin(tx: &mut Transaction<'_>, row: &JobRow, visible_at: Option<i64>, place: Option<i64>) -> rusqlite::Result<()> {
    let group = row.group.as_deref().or(place.map(|_| NO_GROUP));
    tx.keep_first_success(row)?;
    // A new owner: an attempt of the previous run that has not ended yet cannot affect the new message.
    let owner = tx.next()?;
    tx.prepare(
        "UPDATE jobs SET state = 1, attempt = 0, receives = 0, visible_at = ?2, due_at = ?3, since = ?3, purge_at = NULL, \
         grp = ?4, place = ?5, owner = ?6, lease_until = ?3 WHERE seq = ?1",
    )?
    .execute(params![row.seq, visible_at, tx.now, group, place, owner])?;
    tx.prepare("UPDATE notes SET reason = NULL, output = NULL, done = NULL, total = NULL WHERE seq = ?1")?
        .execute([row.seq])?;
    // Leaves room for the first attempt of the new run, which then need not count them.
    tx.trim_attempts(row.seq, Record::MAX_HISTORY - 1)?;
    tx.moves(row, state::QUEUED);
    Ok(())
}
