//! Searching: what is asked for, and what is found.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Query;
use crate::{record::Record, redaction::Redactions};

/// A search for jobs. [`Client::search`](crate::Client::search) carries it out, a page at a time.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Search {
    /// Which jobs.
    pub query: Query,
    /// Records per page: 1–1000; 0 means 50.
    pub limit: usize,
    /// [`Matches::next`] of the page before.
    pub cursor: Option<String>,
    redactions: Option<Redactions>,
}

impl Search {
    /// For the newest of these jobs.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query, ..Self::default() }
    }

    /// With so many records per page.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// From where an earlier page ended.
    #[must_use]
    pub fn with_cursor(mut self, cursor: Option<String>) -> Self {
        self.cursor = cursor;
        self
    }

    /// For somebody to whom records are shown with these redactions: terms find no hidden value, so that nobody can guess
    /// one. The records are returned as they are.
    #[must_use]
    pub fn with_redactions(mut self, redactions: Redactions) -> Self {
        self.redactions = Some(redactions);
        self
    }

    /// Whether a record fits the query, as far as it may be known. The query is [pinned](Query::pinned).
    #[must_use]
    pub fn fits(&self, record: &Record) -> bool {
        match &self.redactions {
            Some(redactions) => self.query.fits_shown(record, redactions),
            None => self.query.fits(record),
        }
    }
}

/// A page of records that fit a query.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Matches {
    /// Newest first.
    pub records: Vec<Record>,
    /// The cursor of the next page, if there may be one.
    pub next: Option<String>,
    /// Whether there are others between them.
    pub coverage: Coverage,
}

/// How much of what there is was searched for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Coverage {
    /// The page is full, or has the last records that fit.
    Exact,
    /// As many records were looked at as one page may; older ones are found from the page's cursor.
    Searched {
        /// The number of records that were looked at.
        records: u64,
        /// All records since this moment were.
        back_to: Timestamp,
    },
}

/// The number of jobs that fit a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchCount {
    /// The number.
    pub jobs: u64,
    /// Whether these are all; else there are at least so many.
    pub is_complete: bool,
}
