//! Unique keys: a row for each key names the job that has it, or had it last. Whether it still has it follows from that
//! job's state, so that nothing is to be done when a job starts or ends.

use lamplighter::{EnqueueError, Enqueued, JobState, Unique, backend::UniqueHold};
use rusqlite::{OptionalExtension, params};

use crate::{db::transaction::Transaction, state, time};

const HOLDER: &str = "SELECT id, hold, until FROM unique_keys WHERE kind = ?1 AND key = ?2";
const HOLD: &str = "INSERT INTO unique_keys (kind, key, id, hold, until) VALUES (?1, ?2, ?3, ?4, ?5) \
    ON CONFLICT (kind, key) DO UPDATE SET id = excluded.id, hold = excluded.hold, until = excluded.until";
const DUE: &str = "SELECT kind, key, id, hold FROM unique_keys WHERE until <= ?1 ORDER BY until LIMIT ?2";
const FORGET: &str = "DELETE FROM unique_keys WHERE kind = ?1 AND key = ?2";
const LATER: &str = "UPDATE unique_keys SET until = ?3 WHERE kind = ?1 AND key = ?2";

const STARTED: i64 = 1;
const ENDED: i64 = 2;
const TIME: i64 = 3;

/// How often a row is looked at whose job may be gone: a day, in nanoseconds.
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// A job to be enqueued that must be unique.
pub(crate) struct Wanted<'a> {
    pub(crate) kind: i64,
    pub(crate) job: &'a str,
    pub(crate) unique: &'a Unique,
}

impl Transaction<'_> {
    /// Returns the answer for a job whose key another one has; `None` if it is free.
    pub(crate) fn key_is_taken(&self, wanted: &Wanted<'_>) -> rusqlite::Result<Option<Result<Enqueued, EnqueueError>>> {
        let Wanted { kind, job, unique } = wanted;
        let holder: Option<(String, i64, i64)> = self
            .prepare(HOLDER)?
            .query_row(params![kind, unique.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((id, hold, until)) = holder else { return Ok(None) };
        let row = self.row_of(&id)?.filter(|row| row.kind == *kind);
        let known = row.as_ref().and_then(|row| state::of(row.state));
        let has_it = match (hold, &row) {
            (TIME, _) => until > self.now,
            (STARTED, Some(row)) => {
                let waits = matches!(known, Some(JobState::Waiting | JobState::Scheduled | JobState::Queued));
                waits && row.has_not_begun()
            }
            (_, Some(row)) => !state::is_final(row.state),
            (_, None) => false,
        };
        if !has_it {
            return Ok(None);
        }
        // It was an id when it was written.
        let Ok(existing) = lamplighter::JobId::new(&id) else { return Ok(None) };
        Ok(Some(match unique.is_error {
            true => Err(EnqueueError::NotUnique { job: (*job).to_owned(), key: unique.key.clone(), existing }),
            false => Ok(Enqueued::Existing(existing, known)),
        }))
    }

    /// Gives the key to a new job.
    pub(crate) fn take_key(&self, wanted: &Wanted<'_>, id: &str) -> rusqlite::Result<()> {
        let (hold, until) = match wanted.unique.hold {
            UniqueHold::UntilStarted => (STARTED, time::after(self.now, DAY)),
            UniqueHold::For(duration) => (TIME, time::after(self.now, duration)),
            _ => (ENDED, time::after(self.now, DAY)),
        };
        self.prepare(HOLD)?.execute(params![wanted.kind, wanted.unique.key, id, hold, until])?;
        Ok(())
    }

    /// Deletes at most `most` keys that nobody has any more.
    pub(crate) fn forget_keys(&self, most: i64) -> rusqlite::Result<usize> {
        let due: Vec<(i64, String, String, i64)> = self
            .prepare(DUE)?
            .query_map(params![self.now, most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut forgotten = 0;
        for (kind, key, id, hold) in due {
            if hold != TIME && self.row_of(&id)?.is_some() {
                self.prepare(LATER)?.execute(params![kind, key, time::after(self.now, DAY)])?;
            } else {
                forgotten += self.prepare(FORGET)?.execute(params![kind, key])?;
            }
        }
        Ok(forgotten)
    }
}
