//! Running an ended job once more.

use lamplighter::{JobState, Record};
use rusqlite::params;

use super::{groups::NO_GROUP, row::JobRow};
use crate::{file::unit::Unit, state};

/// Enqueues a job that has ended once more: history kept, attempts counted anew. Its dead letters go, or a redrive
/// would run it a second time.
pub(crate) fn requeue(unit: &mut Unit<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    once_more(unit, id, again)
}

/// As [`requeue`], for a caller who puts a message of the job on its queue himself.
pub(crate) fn revive(unit: &mut Unit<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    once_more(unit, id, |unit, row| begin(unit, row, None, None))
}

fn once_more(
    unit: &mut Unit<'_>,
    id: &str,
    begin: impl FnOnce(&mut Unit<'_>, &JobRow) -> rusqlite::Result<()>,
) -> rusqlite::Result<Option<JobState>> {
    let Some(row) = unit.row_of(id)? else { return Ok(None) };
    let Some(was) = state::of(row.state) else { return Ok(Some(JobState::Queued)) };
    if !was.is_final() {
        return Ok(Some(was));
    }
    unit.prepare(
        "DELETE FROM dead_letters WHERE id = ?1 AND queue = ?2 AND job = (SELECT job FROM kinds WHERE kinds.id = ?3)",
    )?
    .execute(params![id, row.queue, row.kind])?;
    begin(unit, &row)?;
    Ok(Some(JobState::Queued))
}

/// Gives an ended job a message again.
pub(crate) fn again(unit: &mut Unit<'_>, row: &JobRow) -> rusqlite::Result<()> {
    let (mut place, mut visible_at) = (None, unit.now);
    if unit.is_fifo(row.queue)? {
        visible_at = unit.join_group(row.queue, row.group.as_deref().unwrap_or(NO_GROUP), unit.now)?;
        // At the end of its group: those who came meanwhile are before it.
        place = Some(unit.next()?);
    }
    begin(unit, row, Some(visible_at), place)?;
    unit.effects.queue(row.queue);
    Ok(())
}

/// Begins a new run of an ended job, whose message becomes visible at a moment, if it has one.
fn begin(unit: &mut Unit<'_>, row: &JobRow, visible_at: Option<i64>, place: Option<i64>) -> rusqlite::Result<()> {
    let group = row.group.as_deref().or(place.map(|_| NO_GROUP));
    // Another owner: an attempt of the run before, which may not have ended yet, does nothing to this one's message.
    let owner = unit.next()?;
    unit.prepare(
        "UPDATE jobs SET state = 1, attempt = 0, receives = 0, visible_at = ?2, due_at = ?3, since = ?3, purge_at = NULL, \
         grp = ?4, place = ?5, owner = ?6 WHERE seq = ?1",
    )?
    .execute(params![row.seq, visible_at, unit.now, group, place, owner])?;
    unit.prepare("UPDATE notes SET reason = NULL, output = NULL, done = NULL, total = NULL WHERE seq = ?1")?
        .execute([row.seq])?;
    // Room for the first attempt of the new run, which then need not look how many there are.
    unit.trim_attempts(row.seq, Record::MAX_HISTORY - 1)?;
    unit.moves(row, state::QUEUED);
    Ok(())
}
