//! A row of `jobs`, for operations that need more of it than a condition in an `UPDATE`.

use lamplighter::backend::JobOwner;
use rusqlite::{OptionalExtension, Row, params};

use super::attempts;
use crate::{db::transaction::Transaction, state, time::HELD};

/// A row of `jobs`.
#[derive(Debug, Clone)]
pub(crate) struct JobRow {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) queue: i64,
    pub(crate) kind: i64,
    pub(crate) state: i64,
    pub(crate) attempt: u32,
    pub(crate) owner: i64,
    pub(crate) lease_until: i64,
    pub(crate) host: i64,
    pub(crate) visible_at: Option<i64>,
    pub(crate) receives: u32,
    pub(crate) due_at: i64,
    pub(crate) since: i64,
    pub(crate) noted: bool,
    pub(crate) group: Option<String>,
    pub(crate) place: Option<i64>,
}

const BY_SEQ: &str = "SELECT seq, id, queue, kind, state, attempt, owner, lease_until, host, visible_at, \
    receives, due_at, since, noted, grp, place FROM jobs WHERE seq = ?1";
const BY_ID: &str = "SELECT seq, id, queue, kind, state, attempt, owner, lease_until, host, visible_at, \
    receives, due_at, since, noted, grp, place FROM jobs WHERE id = ?1";

const OWNER: &str = "SELECT queues.name, CASE WHEN kinds.job != '' THEN kinds.job \
    WHEN json_valid(body) THEN coalesce(body ->> '$.job', '') ELSE '' END \
    FROM jobs JOIN queues ON queues.id = jobs.queue JOIN kinds ON kinds.id = jobs.kind \
    JOIN bodies ON bodies.seq = jobs.seq WHERE jobs.seq = ?1";

impl JobRow {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            queue: row.get(2)?,
            kind: row.get(3)?,
            state: row.get(4)?,
            attempt: row.get(5)?,
            owner: row.get(6)?,
            lease_until: row.get(7)?,
            host: row.get(8)?,
            visible_at: row.get(9)?,
            receives: row.get(10)?,
            due_at: row.get(11)?,
            since: row.get(12)?,
            noted: row.get(13)?,
            group: row.get(14)?,
            place: row.get(15)?,
        })
    }

    /// Returns whether an attempt holds the lease under this fencing token.
    pub(crate) fn is_held_by(&self, attempt: u32, owner: i64) -> bool {
        self.state == state::RUNNING && self.attempt == attempt && self.owner == owner
    }

    /// Returns whether no attempt of its current run counts: none has begun, or what had begun was handed back. A job
    /// with a checkpoint has begun, also where its attempts are counted anew.
    pub(crate) fn has_not_begun(&self) -> bool {
        self.attempt == 0 && !self.noted
    }

    /// Returns the start of its first attempt, if that has succeeded and [stays in this row](super::attempts).
    pub(crate) fn first_success(&self) -> Option<i64> {
        attempts::first_success(self.state, self.lease_until)
    }

    /// Returns when a message that is due at `moment` becomes visible: not before its turn, if it waits behind another
    /// of its group.
    pub(crate) fn visible_again(&self, moment: i64) -> i64 {
        if self.visible_at == Some(HELD) { HELD } else { moment }
    }
}

impl Transaction<'_> {
    pub(crate) fn row(&self, seq: i64) -> rusqlite::Result<Option<JobRow>> {
        self.prepare(BY_SEQ)?.query_row([seq], JobRow::of).optional()
    }

    pub(crate) fn row_of(&self, id: &str) -> rusqlite::Result<Option<JobRow>> {
        self.prepare(BY_ID)?.query_row([id], JobRow::of).optional()
    }

    /// Returns the text of a row's message.
    pub(crate) fn body(&self, seq: i64) -> rusqlite::Result<Option<String>> {
        self.prepare("SELECT body FROM bodies WHERE seq = ?1")?.query_row([seq], |row| row.get(0)).optional()
    }

    /// Returns the owner of a row's id. For a body that was added to its queue by hand, the job's name is read from the
    /// body.
    pub(crate) fn owner_of(&self, row: &JobRow) -> rusqlite::Result<JobOwner> {
        self.prepare(OWNER)?.query_row([row.seq], |row| Ok(JobOwner { queue: row.get(0)?, job: row.get(1)? }))
    }

    /// Moves a row to another state, and updates the counts.
    pub(crate) fn moves(&mut self, row: &JobRow, state: i64) {
        self.leaves(row.kind, row.state);
        self.enters(row.kind, state);
        self.effects.job(&row.id);
    }

    /// Ends a job: removes its message, and keeps its record until `keep_until`.
    pub(crate) fn end(&mut self, row: &JobRow, code: i64, ended_at: i64, keep_until: i64) -> rusqlite::Result<()> {
        self.prepare(
            "UPDATE jobs SET state = ?2, visible_at = NULL, place = NULL, since = ?3, purge_at = ?4 WHERE seq = ?1",
        )?
        .execute(params![row.seq, code, ended_at, keep_until])?;
        self.leave_line(row.seq)?;
        self.free_places(row.seq)?;
        if row.state == state::WAITING {
            self.waits_no_more(row.seq)?;
        }
        self.moves(row, code);
        self.has_ended(row.seq, &row.id, code)?;
        self.leave_group(row)
    }

    /// Deletes a message without a record.
    pub(crate) fn remove(&mut self, row: &JobRow) -> rusqlite::Result<()> {
        debug_assert_eq!(row.state, state::UNTRACKED, "records are purged, not removed");
        self.prepare("DELETE FROM jobs WHERE seq = ?1")?.execute([row.seq])?;
        self.prepare("DELETE FROM bodies WHERE seq = ?1")?.execute([row.seq])?;
        self.effects.job(&row.id);
        self.leave_group(row)
    }

    /// Makes the message visible again at a moment.
    pub(crate) fn comes_again(&mut self, row: &JobRow, moment: i64, receives: u32) -> rusqlite::Result<()> {
        self.prepare("UPDATE jobs SET visible_at = ?2, receives = ?3 WHERE seq = ?1 AND visible_at IS NOT NULL")?
            .execute(params![row.seq, row.visible_again(moment), receives])?;
        self.effects.queue(row.queue);
        Ok(())
    }
}
