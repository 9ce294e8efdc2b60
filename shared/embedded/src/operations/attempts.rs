//! The history of attempts.
//!
//! **A job that succeeds at its first attempt has no row in `attempts`**, which would be a tenth of the cost of a job. Its own
//! row has everything: the number, the host, the end, and in `lease_until` the start, as a negative number ([`in_row`]). Before
//! such a job is run again by hand, the attempt is written like any other.

use lamplighter::{
    Record,
    record::{AttemptOutcome, ErrorText},
};
use rusqlite::{CachedStatement, params};

use super::row::JobRow;
use crate::{db::transaction::Transaction, state};

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct AttemptRow<'a> {
    pub(crate) number: u32,
    pub(crate) started_at: i64,
    pub(crate) ended_at: i64,
    pub(crate) host: i64,
    pub(crate) outcome: AttemptOutcome,
    pub(crate) error: Option<&'a ErrorText>,
    /// The number of a failure's fingerprint.
    pub(crate) fingerprint: Option<i64>,
}

pub(crate) const INSERT: &str = "INSERT INTO attempts (seq, place, number, started_at, ended_at, host, outcome, error, \
    fingerprint) \
    VALUES (?1, (SELECT coalesce(max(place), 0) + 1 FROM attempts WHERE seq = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// Whether the history has an attempt with this end.
const KNOWN: &str = "SELECT 1 FROM attempts WHERE seq = ?1 AND number = ?2 AND started_at = ?3 \
    AND ended_at = ?4 AND outcome = ?5";

/// Deletes the oldest attempts beyond this many.
const TRIM: &str = "DELETE FROM attempts WHERE seq = ?1 \
    AND place <= (SELECT max(place) FROM attempts WHERE seq = ?1) - ?2";

/// The start of a first attempt that has succeeded, as it is stored in the place of its lease. Leases are positive.
pub(crate) fn in_row(started_at: i64) -> i64 {
    !started_at.max(0)
}

/// The start of the first attempt of a job, if that has succeeded and stays in the job's row.
pub(crate) const fn first_success(state: i64, lease_until: i64) -> Option<i64> {
    if state == state::SUCCEEDED && lease_until < 0 { Some(!lease_until) } else { None }
}

/// The outcome's number in the file.
pub(crate) const fn code(outcome: AttemptOutcome) -> i64 {
    match outcome {
        AttemptOutcome::Succeeded => 1,
        AttemptOutcome::Error => 2,
        AttemptOutcome::Panic => 3,
        AttemptOutcome::TimedOut => 4,
        AttemptOutcome::Lost => 5,
        AttemptOutcome::Cancelled => 6,
        AttemptOutcome::Continued => 7,
    }
}

/// The outcome with that number.
pub(crate) const fn of(code: i64) -> AttemptOutcome {
    match code {
        1 => AttemptOutcome::Succeeded,
        3 => AttemptOutcome::Panic,
        4 => AttemptOutcome::TimedOut,
        5 => AttemptOutcome::Lost,
        6 => AttemptOutcome::Cancelled,
        7 => AttemptOutcome::Continued,
        _ => AttemptOutcome::Error,
    }
}

/// Adds an attempt with a prepared statement.
pub(crate) fn insert(statement: &mut CachedStatement<'_>, seq: i64, ended: &AttemptRow<'_>) -> rusqlite::Result<()> {
    // Strings and lists of strings, which always serialize.
    let error = ended.error.and_then(|error| serde_json::to_string(error).ok());
    let AttemptRow { number, started_at, ended_at, host, outcome, fingerprint, .. } = ended;
    statement.execute(params![seq, number, started_at, ended_at, host, code(*outcome), error, fingerprint])?;
    Ok(())
}

impl Transaction<'_> {
    /// Adds an attempt to a job's history.
    pub(crate) fn add_attempt(&self, seq: i64, ended: &AttemptRow<'_>) -> rusqlite::Result<()> {
        insert(&mut self.prepare(INSERT)?, seq, ended)?;
        self.trim_attempts(seq, Record::MAX_HISTORY)
    }

    /// Writes the attempt that stays in an ended job's row, if there is one: the row is about to be used again.
    pub(crate) fn keep_first_success(&self, row: &JobRow) -> rusqlite::Result<()> {
        let Some(started_at) = row.first_success() else { return Ok(()) };
        let first = AttemptRow {
            number: row.attempt,
            started_at,
            ended_at: row.since,
            host: row.host,
            outcome: AttemptOutcome::Succeeded,
            error: None,
            fingerprint: None,
        };
        self.add_attempt(row.seq, &first)
    }

    /// Returns whether a job's history has an attempt with this end.
    pub(crate) fn has_attempt(
        &self,
        seq: i64,
        number: u32,
        started_at: i64,
        ended_at: i64,
        outcome: AttemptOutcome,
    ) -> rusqlite::Result<bool> {
        self.prepare(KNOWN)?.exists(params![seq, number, started_at, ended_at, code(outcome)])
    }

    /// Deletes the oldest attempts beyond `keep`.
    pub(crate) fn trim_attempts(&self, seq: i64, keep: usize) -> rusqlite::Result<()> {
        self.prepare(TRIM)?.execute(params![seq, i64::try_from(keep).unwrap_or(i64::MAX)])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::{
        JobId, JobState, RawValue, Timestamp, Tracking,
        backend::{Claim, ClaimRequest, Completion, CompletionResult, Decision, Store, Token},
        env::Env,
        secs,
    };
    use tokio::time::Instant;

    use super::*;
    use crate::{backend::SqliteBackend, operations::clock};

    /// A file in memory with a job that succeeds at its first attempt, under this owner.
    async fn with_success(owner: u64) -> (SqliteBackend, JobId, Completion) {
        let env = Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1);
        let embedded = SqliteBackend::memory(env).unwrap();
        let args = RawValue::from_string("{}".into()).unwrap();
        embedded.client().enqueue_raw("act", "work", Tracking::Full, args).id("job").await.unwrap();
        let id = JobId::new("job").unwrap();
        let end = succeed(&embedded, &id, owner).await;
        (embedded, id, end)
    }

    async fn succeed(embedded: &SqliteBackend, id: &JobId, owner: u64) -> Completion {
        let store = embedded.0.store.clone();
        let message = Store::get(&*store, id).await.unwrap().unwrap().message;
        let columns = |connection: &rusqlite::Connection| {
            let columns = "SELECT seq, kind, owner FROM jobs";
            connection.query_row(columns, [], |row| {
                Ok((super::super::receipt::Receipt { seq: row.get(0)?, kind: row.get(1)? }, row.get::<_, i64>(2)?))
            })
        };
        let (receipt, received_under) = embedded.0.writer.read(columns).await.unwrap();
        let began = embedded.env().now();
        let mut claim = ClaimRequest::new(id.clone(), "work", message, owner, began + secs(60));
        claim.receipt = super::super::receipt::text(receipt, received_under);
        claim.host = "lamp".into();
        let receipt = claim.receipt.clone();
        let claimed = store.claim(vec![claim], Instant::now()).await.remove(0).unwrap();
        assert!(matches!(claimed, Claim::Run { attempt: 1, .. }), "{claimed:?}");
        tokio::time::sleep(secs(2)).await;
        let decision = Decision::Succeeded { output: None, retention: secs(3600) };
        let ran = (began, embedded.env().now());
        let mut end = Completion::new(id.clone(), "work", Token { attempt: 1, owner }, ran, decision);
        (end.receipt, end.host) = (receipt, "lamp".into());
        assert_eq!(settle(embedded, &end).await, CompletionResult::Applied { message_done: true });
        end
    }

    async fn settle(embedded: &SqliteBackend, end: &Completion) -> CompletionResult {
        embedded.0.store.settle(vec![end.clone()], Instant::now()).await.remove(0).unwrap()
    }

    async fn rows(embedded: &SqliteBackend) -> i64 {
        let count = |connection: &rusqlite::Connection| {
            connection.query_row("SELECT count(*) FROM attempts", [], |row| row.get(0))
        };
        embedded.0.writer.read(count).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_success_stays_in_the_row_of_its_job() {
        let (embedded, id, end) = with_success(7).await;
        assert_eq!(rows(&embedded).await, 0);
        let record = embedded.client().get(&id).await.unwrap().unwrap();
        let [attempt] = &record.attempts[..] else { panic!("{:?}", record.attempts) };
        assert_eq!((attempt.number, &*attempt.host, attempt.outcome), (1, "lamp", AttemptOutcome::Succeeded));
        assert_eq!((attempt.started_at, attempt.ended_at), (end.started_at, end.ended_at));
        assert_eq!((record.attempt, record.finished_at, record.lease_until), (1, Some(end.ended_at), None));

        // The same settlement again is known; another attempt's changes nothing.
        assert_eq!(settle(&embedded, &end).await, CompletionResult::Applied { message_done: true });
        let mut other = end;
        other.token = Token { attempt: 1, owner: 8 };
        assert_eq!(settle(&embedded, &other).await, CompletionResult::Fenced(Some(JobState::Succeeded)));
        assert_eq!(embedded.client().get(&id).await.unwrap().unwrap().attempts.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_success_is_kept_when_its_job_runs_again() {
        let (embedded, id, first) = with_success(7).await;
        assert_eq!(embedded.client().retry(&id).await.unwrap(), Some(JobState::Queued));
        assert_eq!(rows(&embedded).await, 1);
        let queued = embedded.client().get(&id).await.unwrap().unwrap();
        assert_eq!((queued.attempts.len(), queued.lease_until, queued.started_at), (1, None, None));
        assert_eq!(
            settle(&embedded, &first).await,
            CompletionResult::Applied { message_done: true },
            "it is in the history"
        );
        let second = succeed(&embedded, &id, 9).await;
        assert_eq!(rows(&embedded).await, 1);
        let record = embedded.client().get(&id).await.unwrap().unwrap();
        let starts: Vec<_> = record.attempts.iter().map(|attempt| attempt.started_at).collect();
        assert_eq!(starts, [first.started_at, second.started_at]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_success_of_a_clock_that_was_ahead_is_corrected_with_it() {
        let (embedded, id, end) = with_success(7).await;
        let set_back = |tx: &mut Transaction<'_>| {
            let latest = tx.now;
            tx.now -= 1_000_000_000_000;
            clock::set_right(tx, latest)
        };
        embedded.0.writer.run(1, set_back).await.unwrap();
        let record = embedded.client().get(&id).await.unwrap().unwrap();
        assert_eq!(record.attempts[0].started_at, end.started_at - secs(1000));
        assert_eq!(record.attempts[0].ended_at, end.ended_at - secs(1000));
    }
}
