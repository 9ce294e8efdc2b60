//! FIFO groups: of each group only the first message is visible, the others are held. When the first has gone, its
//! successor becomes visible. So a group in which a job waits for its retry waits as a whole, and receiving from a FIFO
//! queue costs the same however long its groups are.

use rusqlite::{OptionalExtension, params};

use super::row::JobRow;
use crate::{db::transaction::Transaction, time::HELD};

/// The first of a group.
pub(crate) const FIRST: &str = "SELECT seq, visible_at FROM jobs \
    WHERE queue = ?1 AND grp = ?2 AND place IS NOT NULL ORDER BY place LIMIT 1";

/// Jobs on a FIFO queue that name no group form one together.
pub(crate) const NO_GROUP: &str = "";

impl Transaction<'_> {
    /// When a new message of a group becomes visible: now, or when its turn comes.
    pub(crate) fn join_group(&self, queue: i64, group: &str, now: i64) -> rusqlite::Result<i64> {
        let first = self.first_of_group(queue, group)?;
        Ok(if first.is_some() { HELD } else { now })
    }

    /// A message has gone: its successor's turn has come.
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
