//! Locks that one job at a time may hold.

use std::time::Duration;

use lamplighter::backend::Lock;
use rusqlite::{OptionalExtension, params};

use super::row::JobRow;
use crate::{db::transaction::Transaction, time};

const HELD_UNTIL: &str = "SELECT until FROM locks WHERE key = ?1 AND until > ?2";
const TAKE: &str = "INSERT INTO locks (key, seq, owner, until) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, owner = excluded.owner, until = excluded.until";
const FREE: &str = "DELETE FROM locks WHERE seq = ?1 AND owner = ?2";

/// A job that waits for a lock checks again after this time, since a lease may end early. A check costs one read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Transaction<'_> {
    /// Returns when to try again for a lock that another job holds; `None` if it is free.
    pub(crate) fn held(&self, lock: &Lock) -> rusqlite::Result<Option<i64>> {
        let until: Option<i64> =
            self.prepare(HELD_UNTIL)?.query_row(params![lock.key, self.now], |row| row.get(0)).optional()?;
        Ok(until.map(|until| until.min(time::after(self.now, LOOK_AGAIN))))
    }

    /// Assigns a free lock to a job, under its fencing token and until its lease ends.
    pub(crate) fn take(&self, lock: &Lock, seq: i64, owner: i64, until: i64) -> rusqlite::Result<()> {
        self.prepare(TAKE)?.execute(params![lock.key, seq, owner, until])?;
        Ok(())
    }

    /// Frees the locks of the attempt that runs in that row, or was the last to run there.
    pub(crate) fn free(&self, row: &JobRow) -> rusqlite::Result<()> {
        self.free_of(row.seq, row.owner)
    }

    /// Frees the locks that an owner holds for a row.
    pub(crate) fn free_of(&self, seq: i64, owner: i64) -> rusqlite::Result<()> {
        self.prepare(FREE)?.execute([seq, owner])?;
        Ok(())
    }
}
