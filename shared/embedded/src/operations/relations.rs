//! Jobs that wait for others to end.
//!
//! A job that waits is in the state `waiting`, has no message on its queue, and a row in `waits` for each job that has
//! not ended yet. At the end of each transaction, the jobs that ended in it are looked up there: those that waited for
//! them are put on their queues, or cancelled, and so on, without recursion.

use std::collections::{BTreeMap, VecDeque};

use lamplighter::{After, JobState, Retention, backend::Standing, message::Outcome};
use rusqlite::params;

use super::{batches::Ended, groups::NO_GROUP, row::JobRow};
use crate::{db::transaction::Transaction, state, time};

const ANY: &str = "SELECT EXISTS (SELECT 1 FROM waits), EXISTS (SELECT 1 FROM members)";
const ADD: &str =
    "INSERT INTO waits (parent, child, outcome) VALUES (?1, ?2, ?3) ON CONFLICT (parent, child) DO NOTHING";
const OF_PARENT: &str = "SELECT child, outcome FROM waits WHERE parent = ?1";
const MET: &str = "DELETE FROM waits WHERE parent = ?1 AND child = ?2";
const STILL: &str = "SELECT EXISTS (SELECT 1 FROM waits WHERE child = ?1)";
const FORGET: &str = "DELETE FROM waits WHERE child = ?1";

const fn code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Success => 1,
        Outcome::Failure => 2,
        Outcome::End => 3,
    }
}

const fn outcome(code: i64) -> Outcome {
    match code {
        1 => Outcome::Success,
        2 => Outcome::Failure,
        _ => Outcome::End,
    }
}

impl Transaction<'_> {
    /// Returns how the jobs stand that a new job is to wait for.
    pub(crate) fn standing<'a>(&self, after: &'a [After]) -> rusqlite::Result<Standing<'a>> {
        Standing::of(after, |id| Ok(self.row_of(id.as_str())?.and_then(|row| state::of(row.state))))
    }

    /// Notes that a new job waits.
    pub(crate) fn wait(&mut self, child: i64, open: &[&After]) -> rusqlite::Result<()> {
        for After { id, on, .. } in open {
            self.prepare(ADD)?.execute(params![id.as_str(), child, code(*on)])?;
        }
        self.relations.waits = Some(true);
        Ok(())
    }

    /// Notes that a job has ended, for [`follow`].
    pub(crate) fn has_ended(&mut self, seq: i64, id: &str, code: i64) -> rusqlite::Result<()> {
        let relations = &self.relations;
        let (waits, members) = match (relations.waits, relations.members) {
            (Some(waits), Some(members)) => (waits, members),
            (waits, members) => {
                let (any_waits, any_members) =
                    self.prepare(ANY)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
                (waits.unwrap_or(any_waits), members.unwrap_or(any_members))
            }
        };
        (self.relations.waits, self.relations.members) = (Some(waits), Some(members));
        if waits {
            self.relations.ended.push_back((id.to_owned(), code));
        }
        if members {
            self.count_in_batch(seq, code)?;
        }
        Ok(())
    }

    /// Forgets what a job has waited for, which does not wait any more.
    pub(crate) fn waits_no_more(&self, child: i64) -> rusqlite::Result<()> {
        self.prepare(FORGET)?.execute([child])?;
        Ok(())
    }
}

/// What a transaction knows of jobs that wait, and of batches.
#[derive(Default)]
pub(crate) struct Relations {
    /// Whether any job waits; unknown before the first job ends.
    waits: Option<bool>,
    /// Whether there is any job of a batch; unknown before the first job ends.
    pub(super) members: Option<bool>,
    /// Jobs that have ended: their ids and states.
    ended: VecDeque<(String, i64)>,
    /// What is to be counted in batches, by their rows.
    pub(super) batches: BTreeMap<i64, Ended>,
}

/// Puts the jobs on their queues that have waited for the last of the jobs that ended in this transaction, and cancels
/// those that have waited for another outcome.
pub(crate) fn follow(tx: &mut Transaction<'_>) -> rusqlite::Result<()> {
    loop {
        while let Some((parent, code)) = tx.relations.ended.pop_front() {
            if let Some(ended) = state::of(code) {
                follow_to(tx, &parent, ended, None)?;
            }
        }
        // All jobs that have ended are counted before a batch ends.
        if tx.relations.batches.is_empty() {
            return Ok(());
        }
        let counted = std::mem::take(&mut tx.relations.batches);
        tx.write_batches(counted)?;
    }
}

/// Starts or cancels the jobs that have waited for this one; with `only`, those that have waited for that outcome.
pub(super) fn follow_to(
    tx: &mut Transaction<'_>,
    parent: &str,
    ended: JobState,
    only: Option<Outcome>,
) -> rusqlite::Result<()> {
    let children: Vec<(i64, i64)> = tx
        .prepare(OF_PARENT)?
        .query_map([parent], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (child, required) in children {
        if only.is_some_and(|only| only != outcome(required)) {
            continue;
        }
        tx.prepare(MET)?.execute(params![parent, child])?;
        let Some(row) = tx.row(child)?.filter(|row| row.state == state::WAITING) else { continue };
        if !outcome(required).is_met_by(ended) {
            cancel(tx, &row, &After::unmet(parent, ended))?;
        } else if !tx.prepare(STILL)?.query_row([child], |row| row.get::<_, bool>(0))? {
            release(tx, &row)?;
        }
    }
    Ok(())
}

/// Cancels a job that has waited in vain.
pub(crate) fn cancel(tx: &mut Transaction<'_>, row: &JobRow, reason: &str) -> rusqlite::Result<()> {
    tx.put_reason(row.seq, reason)?;
    tx.end(row, state::CANCELLED, tx.now, time::after(tx.now, Retention::default().cancelled))
}

/// Puts a job on its queue.
fn release(tx: &mut Transaction<'_>, row: &JobRow) -> rusqlite::Result<()> {
    let code = if row.due_at > tx.now { state::SCHEDULED } else { state::QUEUED };
    let (visible_at, place) = tx.enter_queue(row, row.due_at.max(tx.now))?;
    let group = row.group.as_deref().or(place.map(|_| NO_GROUP));
    tx.prepare("UPDATE jobs SET state = ?2, visible_at = ?3, place = ?4, grp = ?5, since = ?6 WHERE seq = ?1")?
        .execute(params![row.seq, code, visible_at, place, group, tx.now])?;
    tx.moves(row, code);
    tx.effects.queue(row.queue);
    Ok(())
}
