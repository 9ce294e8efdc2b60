//! Corrections after the clock was set.
//!
//! Forward, or while the machine slept: running jobs keep their leases for the full length. Back:
//!
//! All moments in the file are from the machine's clock. Each transaction has one, and the file stores the latest. If
//! the clock shows an earlier moment, it was set back; everything written under the wrong clock would then be in the
//! future: jobs would wait, and schedules would count as settled, for as long as the clock was ahead, which may be
//! decades. So the first transaction under the corrected clock, in any process, corrects the file. It reads all of
//! `jobs` once. Moving a million rows took 4.5 s on a busy machine.

use std::time::Duration;

use jiff::SignedDuration;
use rusqlite::{Connection, OptionalExtension, params};

use super::schedules;
use crate::{db::transaction::Transaction, time, time::HELD};

/// If the clock is set back by no more than this, transactions keep the latest moment until it catches up.
pub(crate) const SLACK: Duration = Duration::from_secs(1);

/// The latest moment is written no more often than this.
pub(crate) const PRECISION: Duration = Duration::from_secs(1);

/// A clock that jumps forward by more than this between two transactions may be wrong.
pub(crate) const LEAP: Duration = Duration::from_secs(86_400);

/// The first of November 2026, in nanoseconds: a clock that shows an earlier moment has not been set since the machine
/// started. It is used, but makes nothing expire earlier: when it is set, it jumps forward by decades.
const UNSET_BEFORE: i64 = 1_793_491_200_000_000_000;

const LATEST: &str = "SELECT latest FROM clock";
pub(crate) const KEEP: &str = "UPDATE clock SET latest = ?1";

/// The newest row from before the clock went wrong, as far as can be known.
const FLOOR: &str = "SELECT max(created_at) FROM jobs WHERE created_at <= ?1";

/// Moves everything written under the wrong clock back by its lead (`?2`), to before now (`?1`). Delays keep their
/// length, counted from when the job was enqueued or released. A future moment that was written before the clock went
/// wrong was chosen by a caller, and stays. `created_at` keeps its order.
const SET_RIGHT: &str = "UPDATE jobs SET \
    created_at = CASE WHEN created_at > ?1 THEN min(?1, max(created_at - ?2, ?3)) ELSE created_at END, \
    since = CASE WHEN since > ?1 THEN min(?1, since - ?2) ELSE since END, \
    due_at = CASE WHEN due_at > ?1 AND (created_at > ?1 OR since > ?1) THEN due_at - ?2 ELSE due_at END, \
    visible_at = CASE WHEN visible_at > ?1 AND visible_at != ?4 \
      AND (created_at > ?1 OR since > ?1 OR state IN (1, 5) OR (state = 0 AND visible_at != due_at)) \
      THEN visible_at - ?2 ELSE visible_at END, \
    lease_until = CASE WHEN state = 2 AND lease_until < 0 AND since > ?1 THEN ~min(?1, max(0, ~lease_until - ?2)) ELSE lease_until END, \
    purge_at = CASE WHEN since > ?1 AND ?5 THEN purge_at - ?2 ELSE purge_at END \
    WHERE created_at > ?1 OR since > ?1 OR (visible_at > ?1 AND visible_at != ?4 \
      AND (state IN (1, 5) OR (state = 0 AND visible_at != due_at)))";

const DEAD_LETTERS: &str = "UPDATE dead_letters SET buried_at = min(?1, buried_at - ?2) WHERE buried_at > ?1";

const ERRORS: &str = "UPDATE error_groups SET last_at = min(?1, last_at - ?2), \
    first_at = CASE WHEN first_at > ?1 THEN min(?1, first_at - ?2) ELSE first_at END WHERE last_at > ?1";

const RATES: &str =
    "UPDATE limit_rates SET full_at = full_at - ?2, next = next - ?2, idle_at = idle_at - ?2 WHERE idle_at > ?1";
const LINES: &str =
    "UPDATE limit_waits SET since = min(since, ?1), turn = CASE WHEN turn > ?1 THEN turn - ?2 ELSE turn END";

/// Returns the latest moment in the file.
pub(crate) fn latest(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached(LATEST)?.query_row([], |row| row.get(0))
}

/// Corrects everything written under a clock that was ahead, up to `latest`.
pub(crate) fn set_right(tx: &mut Transaction<'_>, latest: i64) -> rusqlite::Result<()> {
    let (now, ahead) = (tx.now, latest - tx.now);
    let floor: Option<i64> = tx.prepare(FLOOR)?.query_row([now], |row| row.get(0)).optional()?.flatten();
    let is_set = now >= UNSET_BEFORE;
    let jobs = tx.prepare(SET_RIGHT)?.execute(params![now, ahead, floor.unwrap_or(i64::MIN), HELD, is_set])?;
    // Here, before this transaction gives any lease: one that is given by the right clock must not be moved.
    move_leases(tx, -ahead)?;
    let dead_letters = if is_set { tx.prepare(DEAD_LETTERS)?.execute([now, ahead])? } else { 0 };
    if is_set {
        tx.prepare(ERRORS)?.execute([now, ahead])?;
    }
    tx.set_rollups_back(ahead)?;
    tracing::warn!(
        from = %time::moment(latest),
        to = %time::moment(now),
        jobs,
        dead_letters,
        "the clock was set back; moments written ahead of the new time are corrected"
    );
    tx.prepare(RATES)?.execute([now, ahead])?;
    tx.prepare(LINES)?.execute([now, ahead])?;
    schedules::set_back(tx)?;
    let queues: Vec<i64> =
        tx.prepare("SELECT id FROM queues")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    queues.into_iter().for_each(|queue| tx.effects.queue(queue));
    tx.effects.schedules();
    tx.prepare(KEEP)?.execute([now])?;
    tx.catalog.kept = Some(now);
    Ok(())
}

/// Lets the leases of running jobs end as much later as the clock was set forward.
pub(crate) fn was_set_forward(tx: &mut Transaction<'_>, step: SignedDuration) -> rusqlite::Result<()> {
    let nanos = i64::try_from(step.as_nanos()).unwrap_or(i64::MAX);
    if nanos > 0 { move_leases(tx, nanos) } else { Ok(()) }
}

/// Moves the leases of running jobs, and their places in limits, by as much as the clock was moved.
fn move_leases(tx: &mut Transaction<'_>, step: i64) -> rusqlite::Result<()> {
    tx.prepare(MOVE_LEASES)?.execute([step])?;
    tx.prepare("UPDATE limit_holders SET until = until + ?1")?.execute([step])?;
    Ok(())
}

const MOVE_LEASES: &str = "UPDATE jobs SET lease_until = lease_until + ?1 WHERE seq IN \
    (SELECT jobs.seq FROM kinds CROSS JOIN jobs INDEXED BY jobs_listed \
     WHERE jobs.kind = kinds.id AND jobs.state = 5 AND jobs.state > 2)";
