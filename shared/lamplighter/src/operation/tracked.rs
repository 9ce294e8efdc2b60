//! An operation that was asked for.

use std::{num::NonZeroU32, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{action::Action, state::OperationState, target::Target};
use crate::id::JobId;

/// An operation that was asked for. As JSON, it is what the store keeps, what the API answers and what `lamp ops --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// Its id: `op-` and a UUIDv7, or what was derived from an idempotency key.
    pub id: JobId,
    /// What is done. Sensitive arguments are hidden.
    pub action: Action,
    /// Whether its arguments are [cut](Operation::MAX_ARGUMENT_BYTES).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
    /// What it is done to.
    pub target: Target,
    /// Who asked for it.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// How many jobs its preview showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// How many a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<NonZeroU32>,
    /// Where it stands.
    pub state: OperationState,
    /// How far it is.
    pub progress: OperationProgress,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// The first error, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Jobs that it has enqueued, at most [`Operation::MOST_RESULTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<JobId>,
    /// Of a query with `args.…` terms: the jobs in which what the terms ask for is not sensitive. No other job is changed, so a
    /// process that does not know the definitions can go on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparable: Option<Vec<String>>,
    /// Where it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Who carries it out, or did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<OperationLease>,
    /// What was asked for, as a hash: another request under the same idempotency key is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How often it was written. The store changes it with each [save](super::Operations::save).
    #[serde(default)]
    pub version: u64,
}

/// How far an operation is, in jobs or dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperationProgress {
    /// Had their turn: the sum of the others.
    pub done: u64,
    /// Were changed.
    pub changed: u64,
    /// Were left alone: they are gone, in another state by now, or changed after the operation's frozen end.
    pub unchanged: u64,
    /// Could not be changed.
    pub failed: u64,
}

/// The right to carry an operation out until a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationLease {
    /// The runner.
    pub owner: String,
    /// The moment.
    pub until: Timestamp,
}

impl Operation {
    /// How long an operation is kept after it was asked for: a year.
    pub const KEPT: Duration = Duration::from_secs(365 * 86_400);
    /// The most enqueued jobs whose ids are kept.
    pub const MOST_RESULTS: usize = 20;
    /// The longest name of who asked, and the longest reason, in characters.
    pub const MAX_CHARS: usize = 500;
    /// The most bytes of arguments that are kept: of more, long values are cut. The job itself has them whole.
    pub const MAX_ARGUMENT_BYTES: usize = 64 * 1024;
    /// The longest error, in characters: the rest is cut.
    pub const MAX_ERROR_CHARS: usize = 1000;
    /// The beginning of every id.
    pub const PREFIX: &str = "op-";

    /// An operation that begins now.
    #[must_use]
    pub fn new(id: JobId, action: Action, target: Target, by: impl Into<String>, created_at: Timestamp) -> Self {
        Self {
            id,
            action,
            is_cut: false,
            target,
            by: by.into(),
            reason: None,
            created_at,
            expected: None,
            per_second: None,
            state: OperationState::Running,
            progress: OperationProgress::default(),
            finished_at: None,
            stopped_by: None,
            error: None,
            results: Vec::new(),
            comparable: None,
            cursor: None,
            lease: None,
            digest: None,
            version: 0,
        }
    }

    /// Whether somebody carries it out at that moment.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.until > now)
    }

    /// Since when nobody carries it out, if it has not ended: the process that did has died, or has left the rest to others.
    #[must_use]
    pub fn interrupted_at(&self, now: Timestamp) -> Option<Timestamp> {
        let is_interrupted = !self.state.is_final() && !self.is_held(now);
        is_interrupted.then(|| self.lease.as_ref().map_or(self.created_at, |lease| lease.until))
    }

    /// When it expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.created_at.saturating_add(Self::KEPT).unwrap_or(Timestamp::MAX)
    }

    /// The line for the log of a job that it touched: `retried by ada: the mail server was down (op-…)`.
    #[must_use]
    pub fn log_line(&self) -> String {
        let (what, by, id) = (self.action.participle(), &self.by, &self.id);
        match &self.reason {
            Some(reason) => format!("{what} by {by}: {reason} ({id})"),
            None => format!("{what} by {by} ({id})"),
        }
    }

    /// Keeps the first error.
    pub fn note_error(&mut self, error: impl std::fmt::Display) {
        if self.error.is_none() {
            self.error = Some(error.to_string().chars().take(Self::MAX_ERROR_CHARS).collect());
        }
    }

    /// Ends it.
    pub fn end(&mut self, state: OperationState, now: Timestamp) {
        (self.state, self.finished_at, self.lease) = (state, Some(now), None);
    }
}

impl OperationProgress {
    /// Counts what had its turn.
    pub const fn add(&mut self, other: Self) {
        self.done += other.done;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.failed += other.failed;
    }

    /// One that was changed.
    pub const CHANGED: Self = Self { done: 1, changed: 1, unchanged: 0, failed: 0 };
    /// One that was left alone.
    pub const UNCHANGED: Self = Self { done: 1, changed: 0, unchanged: 1, failed: 0 };
    /// One that could not be changed.
    pub const FAILED: Self = Self { done: 1, changed: 0, unchanged: 0, failed: 1 };
}
