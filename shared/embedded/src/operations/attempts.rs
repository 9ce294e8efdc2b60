//! The history of attempts.

use lamplighter::{
    Record,
    record::{AttemptOutcome, ErrorText},
};
use rusqlite::{CachedStatement, params};

use crate::db::transaction::Transaction;

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
