//! FIFO groups: only the first message of each group is visible, the others are held. When the first is settled, the
//! next becomes visible. So if a job waits for its retry, its whole group waits, and receiving from a FIFO queue costs
//! the same for groups of any length.

use rusqlite::{OptionalExtension, params};

use super::row::JobRow;
use crate::{db::transaction::Transaction, time::HELD};

/// The first message of a group.
const FIRST: &str = "SELECT seq, visible_at FROM jobs \
    WHERE queue = ?1 AND grp = ?2 AND place IS NOT NULL ORDER BY place LIMIT 1";

/// The group of jobs on a FIFO queue without a group.
pub(crate) const NO_GROUP: &str = "";

impl Transaction<'_> {
    /// Returns when a new message of a group becomes visible: now, or when the messages before it are settled.
    pub(crate) fn join_group(&self, queue: i64, group: &str, now: i64) -> rusqlite::Result<i64> {
        let first = self.first_of_group(queue, group)?;
        Ok(if first.is_some() { HELD } else { now })
    }

    /// Returns when the message of a job that enters its queue again at `visible_at` becomes visible there, and its place:
    /// on a FIFO queue, at the end of its group, behind messages that arrived meanwhile.
    pub(crate) fn enter_queue(&mut self, row: &JobRow, visible_at: i64) -> rusqlite::Result<(i64, Option<i64>)> {
        if !self.is_fifo(row.queue)? {
            return Ok((visible_at, None));
        }
        let visible_at = self.join_group(row.queue, row.group.as_deref().unwrap_or(NO_GROUP), self.now)?;
        Ok((visible_at, Some(self.next()?)))
    }

    /// Makes the next message of a group visible after this one is settled.
    pub(crate) fn leave_group(&mut self, row: &JobRow) -> rusqlite::Result<()> {
        let (Some(_), Some(group)) = (row.place, &row.group) else { return Ok(()) };
        if let Some((seq, HELD)) = self.first_of_group(row.queue, group)? {
            self.prepare("UPDATE jobs SET visible_at = ?2 WHERE seq = ?1")?.execute([seq, self.now])?;
            self.effects.queue(row.queue);
        }
        Ok(())
    }

    fn first_of_group(&self, queue: i64, group: &str) -> rusqlite::Result<Option<(i64, i64)>> {
        self.prepare(FIRST)?.query_row(params![queue, group], |row| Ok((row.get(0)?, row.get(1)?))).optional()
    }
}
