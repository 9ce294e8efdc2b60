//! Giving jobs another time.

use lamplighter::JobState;
use rusqlite::params;

use crate::{db::transaction::Transaction, state};

const MOVE: &str = "UPDATE jobs SET state = ?2, visible_at = ?3, due_at = ?4, since = ?5, owner = ?6 WHERE seq = ?1";

/// What came of it.
pub(crate) enum Rescheduled {
    /// There is no such job.
    Unknown,
    /// The job is in this state now.
    Is(JobState),
    /// Its group on a FIFO queue would have to wait.
    Ordered,
}

/// Lets a job that is scheduled, queued or retrying run at `at` instead.
pub(crate) fn reschedule(tx: &mut Transaction<'_>, id: &str, at: i64) -> rusqlite::Result<Rescheduled> {
    let Some(row) = tx.row_of(id)? else { return Ok(Rescheduled::Unknown) };
    // A message without a record.
    let Some(was) = state::of(row.state) else { return Ok(Rescheduled::Unknown) };
    let visible_at = match (was, row.visible_at) {
        (JobState::Scheduled | JobState::Queued | JobState::Retrying, Some(visible_at)) => visible_at,
        // Its message is on its way: a redrive brings it.
        _ => return Ok(Rescheduled::Is(was)),
    };
    if row.place.is_some() && at > tx.now {
        return Ok(Rescheduled::Ordered);
    }
    let due_at = at.max(tx.now);
    let code = match (row.has_not_begun() && was != JobState::Retrying, due_at > tx.now) {
        (false, _) => row.state,
        (true, true) => state::SCHEDULED,
        (true, false) => state::QUEUED,
    };
    // It may have been received, and must not run before its new time: a message under another owner is an old one.
    let owner = if visible_at <= tx.now { tx.next()? } else { row.owner };
    // It joins the line of a limit anew, when it is due.
    tx.leave_line(row.seq)?;
    tx.free_places(row.seq)?;
    let since = if code == row.state { row.since } else { tx.now };
    tx.prepare(MOVE)?.execute(params![row.seq, code, row.visible_again(due_at), due_at, since, owner])?;
    tx.moves(&row, code);
    tx.effects.queue(row.queue);
    Ok(Rescheduled::Is(state::of(code).unwrap_or(was)))
}
