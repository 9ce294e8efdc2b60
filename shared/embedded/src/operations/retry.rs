//! Running an ended job once more.

use lamplighter::{JobState, Record};
use rusqlite::params;

use super::{groups::NO_GROUP, row::JobRow};
use crate::{db::transaction::Transaction, state};

/// Enqueues a job that has ended once more: history kept, attempts counted anew. Its dead letters go, or a redrive
/// would run it a second time.
pub(crate) fn retry(tx: &mut Transaction<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    once_more(tx, id, again)
}

/// As [`retry`], for a caller who puts a message of the job on its queue himself.
pub(crate) fn mark_queued(tx: &mut Transaction<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    once_more(tx, id, |tx, row| begin(tx, row, None, None))
}

fn once_more(
    tx: &mut Transaction<'_>,
    id: &str,
    begin: impl FnOnce(&mut Transaction<'_>, &JobRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<Option<JobState>> {
    let Some(row) = tx.row_of(id)? else { return Ok(None) };
    let Some(was) = state::of(row.state) else { return Ok(Some(JobState::Queued)) };
    if !was.is_final() {
        return Ok(Some(was));
    }
    tx.prepare(
        "DELETE FROM dead_letters WHERE id = ?1 AND queue = ?2 AND job = (SELECT job FROM kinds WHERE kinds.id = ?3)",
    )?
    .execute(params![id, row.queue, row.kind])?;
    begin(tx, &row)?;
    Ok(Some(JobState::Queued))
}

/// Gives an ended job a message again.
pub(crate) fn again(tx: &mut Transaction<'_>, row: &JobRow) -> rusqlite::Result<()> {
    let (mut place, mut visible_at) = (None, tx.now);
    if tx.is_fifo(row.queue)? {
        visible_at = tx.join_group(row.queue, row.group.as_deref().unwrap_or(NO_GROUP), tx.now)?;
        // At the end of its group: those who came meanwhile are before it.
        place = Some(tx.next()?);
    }
    begin(tx, row, Some(visible_at), place)?;
    tx.effects.queue(row.queue);
    Ok(())
}

/// Begins a new run of an ended job, whose message becomes visible at a moment, if it has one.
fn begin(tx: &mut Transaction<'_>, row: &JobRow, visible_at: Option<i64>, place: Option<i64>) -> rusqlite::Result<()> {
    let group = row.group.as_deref().or(place.map(|_| NO_GROUP));
    // Another owner: an attempt of the run before, which may not have ended yet, does nothing to this one's message.
    let owner = tx.next()?;
    tx.prepare(
        "UPDATE jobs SET state = 1, attempt = 0, receives = 0, visible_at = ?2, due_at = ?3, since = ?3, purge_at = NULL, \
         grp = ?4, place = ?5, owner = ?6 WHERE seq = ?1",
    )?
    .execute(params![row.seq, visible_at, tx.now, group, place, owner])?;
    tx.prepare("UPDATE notes SET reason = NULL, output = NULL, done = NULL, total = NULL WHERE seq = ?1")?
        .execute([row.seq])?;
    // Room for the first attempt of the new run, which then need not look how many there are.
    tx.trim_attempts(row.seq, Record::MAX_HISTORY - 1)?;
    tx.moves(row, state::QUEUED);
    Ok(())
}
