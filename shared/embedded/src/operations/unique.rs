//! Unique keys: a row for each key names the job that has it, or had it last. Whether it still has it follows from that
//! job's state, so that nothing is to be done when a job starts or ends.

use lamplighter::{JobId, JobState, Unique, backend::UniqueHold, message::Message};
use rusqlite::{OptionalExtension, params};

use super::row::JobRow;
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

const NEW_BODY: &str = "UPDATE bodies SET body = ?2 WHERE seq = ?1";
const NEW_TIME: &str = "UPDATE jobs SET due_at = ?2 WHERE seq = ?1";
const NEW_MESSAGE: &str = "UPDATE jobs SET state = ?2, visible_at = ?3, due_at = ?4, since = ?5, owner = ?6, receives = 0 \
    WHERE seq = ?1";

/// Who has a key.
pub(crate) struct Holder {
    pub(crate) id: JobId,
    /// `None` if its record has expired.
    pub(crate) row: Option<JobRow>,
    pub(crate) state: Option<JobState>,
}

/// Whether a job waits for its first attempt.
fn waits(row: &JobRow) -> bool {
    let waits = matches!(state::of(row.state), Some(JobState::Waiting | JobState::Scheduled | JobState::Queued));
    waits && row.has_not_begun()
}

/// A job to be enqueued that must be unique.
pub(crate) struct Wanted<'a> {
    pub(crate) kind: i64,
    pub(crate) unique: &'a Unique,
}

impl Transaction<'_> {
    /// Returns who has a key; `None` if it is free.
    pub(crate) fn holder(&self, wanted: &Wanted<'_>) -> rusqlite::Result<Option<Holder>> {
        let Wanted { kind, unique, .. } = wanted;
        let holder: Option<(String, i64, i64)> = self
            .prepare(HOLDER)?
            .query_row(params![kind, unique.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((id, hold, until)) = holder else { return Ok(None) };
        let row = self.row_of(&id)?.filter(|row| row.kind == *kind);
        let known = row.as_ref().and_then(|row| state::of(row.state));
        let has_it = match (hold, &row) {
            (TIME, _) => until > self.now,
            (STARTED, Some(row)) => waits(row),
            (_, Some(row)) => !state::is_final(row.state),
            (_, None) => false,
        };
        if !has_it {
            return Ok(None);
        }
        // It was an id when it was written.
        let Ok(existing) = JobId::new(&id) else { return Ok(None) };
        Ok(Some(Holder { id: existing, row, state: known }))
    }

    /// Gives the arguments and the time of a new job to the one that has its key, unless that one has begun.
    pub(crate) fn replace(&mut self, row: &JobRow, message: &Message, due_at: Option<i64>) -> rusqlite::Result<bool> {
        let is_waiting = row.state == state::WAITING;
        let Ok(id) = JobId::new(&row.id) else { return Ok(false) };
        if !waits(row) || (row.visible_at.is_none() && !is_waiting) {
            return Ok(false);
        }
        let old = self.body(row.seq)?.and_then(|body| body.parse::<Message>().ok());
        let mut message = message.clone();
        (message.id, message.batch) = (Some(id), None);
        message.after = old.map(|old| old.after).unwrap_or_default();
        self.prepare(NEW_BODY)?.execute(params![row.seq, message.to_json()])?;
        let due_at = due_at.unwrap_or(self.now);
        if is_waiting {
            self.prepare(NEW_TIME)?.execute([row.seq, due_at])?;
            self.effects.job(&row.id);
            return Ok(true);
        }
        let code = if due_at > self.now { state::SCHEDULED } else { state::QUEUED };
        // A new owner: a message that was received before is not the job's any more.
        let owner = self.next()?;
        // It joins the line of a limit anew, when it is due.
        self.leave_line(row.seq)?;
        self.free_places(row.seq)?;
        let visible_at = row.visible_again(due_at);
        self.prepare(NEW_MESSAGE)?.execute(params![row.seq, code, visible_at, due_at, self.now, owner])?;
        self.moves(row, code);
        self.effects.queue(row.queue);
        Ok(true)
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
