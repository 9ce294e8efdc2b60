//! Cancelling.

use lamplighter::{JobState, Retention};
use rusqlite::params;

use crate::{file::unit::Unit, state, time};

/// Cancels a job that has not ended. A running attempt loses its lease: what it settles later is fenced.
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
    unit.end(&row, state::CANCELLED, now, time::after(now, Retention::default().cancelled))?;
    unit.prepare("UPDATE jobs SET lease_until = ?2 WHERE seq = ?1")?.execute(params![row.seq, now])?;
    Ok(Some(JobState::Cancelled))
}
