//! Cancelling.

use lamplighter::{Attempt, AttemptOutcome, ErrorText, JobState, Retention};
use rusqlite::params;

use super::attempts::Ended;
use crate::{file::unit::Unit, state, time};

/// Cancels a job that has not ended. A running attempt goes into the history and loses its lease: what it settles later
/// is fenced.
pub(crate) fn cancel(unit: &mut Unit<'_>, id: &str) -> rusqlite::Result<Option<JobState>> {
    let Some(row) = unit.row_of(id)? else { return Ok(None) };
    if state::is_final(row.state) {
        return Ok(state::of(row.state));
    }
    if row.state == state::UNTRACKED {
        // It has no record, and does not get one for being cancelled: its message goes.
        unit.remove(&row)?;
        return Ok(Some(JobState::Cancelled));
    }
    let now = unit.now;
    if row.state == state::RUNNING {
        let cancelled = Ended {
            number: row.attempt,
            started_at: row.since.min(now),
            ended_at: now,
            host: row.host,
            outcome: AttemptOutcome::Cancelled,
            error: Some(&ErrorText::new(Attempt::CANCELLED)),
        };
        unit.add_attempt(row.seq, &cancelled)?;
    }
    unit.end(&row, state::CANCELLED, now, time::after(now, Retention::default().cancelled))?;
    unit.prepare("UPDATE jobs SET lease_until = ?2 WHERE seq = ?1")?.execute(params![row.seq, now])?;
    Ok(Some(JobState::Cancelled))
}
