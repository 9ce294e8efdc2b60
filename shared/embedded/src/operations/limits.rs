//! Limits that jobs share: who has a place, who waits for one, and when the next may begin.
//!
//! A job that waits stays on its queue with its message hidden, and has a row in `limit_waits`. When a place becomes free,
//! the first in the line is woken in the same transaction: its message becomes visible, and the place is kept for it for a
//! moment. Should that fail, for instance since its function does not run, it comes back by itself later.

use lamplighter::backend::{LimitAnswer, LimitHolder, LimitRequest, LimitState, OnFull, RateState};
use rusqlite::{OptionalExtension, params};

use super::row::JobRow;
use crate::{db::transaction::Transaction, time};

const HOLDERS: &str = "SELECT seq, owner, until FROM limit_holders WHERE key = ?1";
const RATE: &str = "SELECT full_at, next, interval FROM limit_rates WHERE key = ?1";
const KEEP_RATE: &str = "INSERT INTO limit_rates (key, full_at, next, interval, idle_at) VALUES (?1, ?2, ?3, ?4, max(?2, ?3)) \
    ON CONFLICT (key) DO UPDATE SET full_at = excluded.full_at, next = excluded.next, interval = excluded.interval, \
    idle_at = excluded.idle_at";
const HOLD: &str = "INSERT INTO limit_holders (key, seq, owner, until) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (key, seq) DO UPDATE SET owner = excluded.owner, until = excluded.until";
const TIDY: &str = "DELETE FROM limit_holders WHERE key = ?1 AND until <= ?2";
const FREE: &str = "DELETE FROM limit_holders WHERE seq = ?1 RETURNING key";
const WAIT: &str = "INSERT INTO limit_waits (seq, key, since, turn) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (seq) DO UPDATE SET key = excluded.key, since = excluded.since, turn = excluded.turn";
const WAITING: &str = "SELECT key, since, turn FROM limit_waits WHERE seq = ?1";
const LEAVE: &str = "DELETE FROM limit_waits WHERE seq = ?1 RETURNING key, turn";
/// Those for whom a place is kept are on their way.
const FIRST: &str = "SELECT seq FROM limit_waits WHERE key = ?1 AND turn IS NULL AND NOT EXISTS \
    (SELECT 1 FROM limit_holders WHERE limit_holders.key = ?1 AND limit_holders.seq = limit_waits.seq AND until > ?2) \
    ORDER BY since LIMIT 1";
const LINES: &str = "SELECT DISTINCT key FROM limit_waits WHERE turn IS NULL";
const FORGET_RATES: &str = "DELETE FROM limit_rates WHERE key IN \
    (SELECT key FROM limit_rates WHERE idle_at <= ?1 ORDER BY idle_at LIMIT ?2)";

/// How long the state of a rate is kept after it has come to rest.
const RATES_KEPT: std::time::Duration = std::time::Duration::from_secs(86_400);

/// A job's place in a line.
struct Wait {
    key: String,
    since: i64,
    turn: Option<i64>,
}

/// A limit that has no place for a job.
pub(crate) struct Refused<'a> {
    pub(crate) limit: &'a LimitRequest,
    answer: LimitAnswer,
}

impl Refused<'_> {
    /// Why the job is cancelled, if it must not wait.
    pub(crate) fn reason(&self) -> Option<&str> {
        match &self.limit.on_full {
            OnFull::Cancel { reason } => Some(reason),
            OnFull::Wait => None,
        }
    }
}

impl Transaction<'_> {
    /// Returns the first limit that has no place for a job; `None` if it may begin, as far as they are concerned. Its turns,
    /// and its beginning, are noted.
    pub(crate) fn admit<'a>(
        &mut self,
        row: &JobRow,
        limits: &'a [LimitRequest],
    ) -> rusqlite::Result<Option<Refused<'a>>> {
        let wait = self.wait_of(row.seq)?;
        let mut begun = Vec::new();
        for limit in limits {
            let turn = wait.as_ref().filter(|wait| wait.key == limit.key).and_then(|wait| wait.turn);
            let mut state = self.limit_state(limit)?;
            let before = state.rate;
            let answer = state.admit(limit, &row.seq.to_string(), time::moment(self.now), turn.map(time::moment));
            if answer != LimitAnswer::Free {
                if state.rate != before {
                    self.keep_rate(&limit.key, &state.rate)?;
                }
                return Ok(Some(Refused { limit, answer }));
            }
            if state.rate != before {
                begun.push((&limit.key, state.rate));
            }
        }
        for (key, rate) in begun {
            self.keep_rate(key, &rate)?;
        }
        Ok(None)
    }

    fn limit_state(&self, limit: &LimitRequest) -> rusqlite::Result<LimitState> {
        let mut state = LimitState::default();
        if limit.at_once.is_some() {
            let mut holders = self.prepare(HOLDERS)?;
            let mut rows = holders.query([&limit.key])?;
            while let Some(row) = rows.next()? {
                let owner = row.get::<_, Option<i64>>(1)?.map(i64::cast_unsigned);
                let holder = LimitHolder { owner, until: time::moment(row.get(2)?) };
                state.holders.insert(row.get::<_, i64>(0)?.to_string(), holder);
            }
        }
        if limit.rate.is_some() {
            state.rate = self.rate_state(&limit.key)?;
        }
        Ok(state)
    }

    fn rate_state(&self, key: &str) -> rusqlite::Result<RateState> {
        let state = self
            .prepare(RATE)?
            .query_row([key], |row| Ok(RateState { full_at: row.get(0)?, next: row.get(1)?, interval: row.get(2)? }));
        Ok(state.optional()?.unwrap_or_default())
    }

    fn keep_rate(&self, key: &str, rate: &RateState) -> rusqlite::Result<()> {
        self.prepare(KEEP_RATE)?.execute(params![key, rate.full_at, rate.next, rate.interval])?;
        Ok(())
    }

    fn wait_of(&self, seq: i64) -> rusqlite::Result<Option<Wait>> {
        let wait = |row: &rusqlite::Row<'_>| Ok(Wait { key: row.get(0)?, since: row.get(1)?, turn: row.get(2)? });
        self.prepare(WAITING)?.query_row([seq], wait).optional()
    }

    /// Gives a job its places, under its fencing token and until its lease ends.
    pub(crate) fn take_places(
        &mut self,
        limits: &[LimitRequest],
        seq: i64,
        owner: i64,
        until: i64,
    ) -> rusqlite::Result<()> {
        self.prepare(LEAVE)?.query_row([seq], |_| Ok(())).optional()?;
        for limit in limits {
            let Some(at_once) = limit.at_once else { continue };
            self.prepare(TIDY)?.execute(params![limit.key, self.now])?;
            self.prepare(HOLD)?.execute(params![limit.key, seq, owner, until])?;
            // More than one place may have become free: a limit was raised, or hosts have died.
            let held = self.limit_state(limit)?.holders.len();
            if held < usize::try_from(at_once).unwrap_or(usize::MAX) {
                self.wake_first(&limit.key)?;
            }
        }
        Ok(())
    }

    /// Puts a job into the line of the limit that has refused it, hides its message, and returns until when. `random` spreads
    /// a crowd.
    pub(crate) fn wait_in_line(&mut self, row: &JobRow, refused: &Refused<'_>, random: u64) -> rusqlite::Result<i64> {
        let Refused { limit, answer } = refused;
        let known = self.wait_of(row.seq)?.filter(|wait| wait.key == limit.key);
        let since = known.map_or(row.due_at.min(self.now), |wait| wait.since);
        let turn = match answer {
            LimitAnswer::Later(turn) => Some(time::nearest(*turn)),
            LimitAnswer::Full(_) | LimitAnswer::Free => None,
        };
        self.prepare(WAIT)?.execute(params![row.seq, limit.key, since, turn])?;
        let (since, now) = (time::moment(since), time::moment(self.now));
        // 53 bits are a fraction.
        let random = (random >> 11) as f64 / (1_u64 << 53) as f64;
        let until = time::nearest(LimitState::hidden_until(*answer, since, now, random));
        self.comes_again(row, until, row.receives.saturating_add(1))?;
        Ok(until)
    }

    /// Frees the places of the attempt that ran in that row, and wakes those that wait for them.
    pub(crate) fn free_places(&mut self, seq: i64) -> rusqlite::Result<()> {
        let freed: Vec<String> =
            self.prepare(FREE)?.query_map([seq], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        freed.iter().try_for_each(|key| self.wake_first(key))
    }

    /// Takes a job out of its line.
    pub(crate) fn leave_line(&mut self, seq: i64) -> rusqlite::Result<()> {
        let left: Option<(String, Option<i64>)> =
            self.prepare(LEAVE)?.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((key, Some(_))) = left {
            let mut rate = self.rate_state(&key)?;
            rate.give_back();
            self.keep_rate(&key, &rate)?;
        }
        Ok(())
    }

    /// Frees all places, and wakes the first that waits for each: no engine runs that could.
    pub(crate) fn all_places_are_free(&mut self) -> rusqlite::Result<()> {
        self.prepare("DELETE FROM limit_holders")?.execute([])?;
        let lines: Vec<String> =
            self.prepare(LINES)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        lines.iter().try_for_each(|key| self.wake_first(key))
    }

    /// Wakes the first job that waits for a place, and keeps the place for it.
    fn wake_first(&mut self, key: &str) -> rusqlite::Result<()> {
        let first: Option<i64> = self.prepare(FIRST)?.query_row(params![key, self.now], |row| row.get(0)).optional()?;
        let Some(row) = first.map(|seq| self.row(seq)).transpose()?.flatten() else { return Ok(()) };
        let until = time::after(self.now, LimitState::KEPT);
        self.prepare(HOLD)?.execute(params![key, row.seq, None::<i64>, until])?;
        self.comes_again(&row, self.now, row.receives)
    }

    /// Deletes the state of at most `most` rates that are at rest.
    pub(crate) fn forget_rates(&self, most: i64) -> rusqlite::Result<usize> {
        self.prepare(FORGET_RATES)?.execute(params![time::before(self.now, RATES_KEPT), most])
    }
}
