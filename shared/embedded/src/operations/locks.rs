//! What one job at a time may hold.

use std::time::Duration;

use lamplighter::backend::Lock;
use rusqlite::{OptionalExtension, params};

use super::row::JobRow;
use crate::{db::transaction::Transaction, time};

pub(crate) const HELD_UNTIL: &str = "SELECT until FROM locks WHERE key = ?1 AND until > ?2";
const TAKE: &str = "INSERT INTO locks (key, seq, owner, until) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (key) DO UPDATE SET seq = excluded.seq, owner = excluded.owner, until = excluded.until";
pub(crate) const FREE: &str = "DELETE FROM locks WHERE seq = ?1 AND owner = ?2";

/// After this time, whoever waits looks again: a lease may end long before its time. Looking costs a read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Transaction<'_> {
    /// When to ask again for what another job holds; `None` when it is to be had.
    pub(crate) fn held(&self, lock: &Lock) -> rusqlite::Result<Option<i64>> {
        let until: Option<i64> =
            self.prepare(HELD_UNTIL)?.query_row(params![lock.key, self.now], |row| row.get(0)).optional()?;
        Ok(until.map(|until| until.min(time::after(self.now, LOOK_AGAIN))))
    }

    /// Gives a job what is free, under the fence and for the time of its lease.
    pub(crate) fn take(&self, lock: &Lock, seq: i64, owner: i64, until: i64) -> rusqlite::Result<()> {
        self.prepare(TAKE)?.execute(params![lock.key, seq, owner, until])?;
        Ok(())
    }

    /// Frees what the attempt that runs in that row, or ran there last, holds.
    pub(crate) fn free(&self, row: &JobRow) -> rusqlite::Result<()> {
        self.free_of(row.seq, row.owner)
    }

    /// Frees what an owner holds for a row.
    pub(crate) fn free_of(&self, seq: i64, owner: i64) -> rusqlite::Result<()> {
        self.prepare(FREE)?.execute([seq, owner])?;
        Ok(())
    }
}
