//! Sensitive arguments: hidden, unless the user asks for them.

use clap::Args;
use lamplighter::{Record, query::Search, redaction::Redactions};

use crate::catalog::Catalog;

/// Whether they are shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Reveal {
    /// Show sensitive arguments too, and those of jobs that are not defined here.
    #[arg(long)]
    reveal: bool,
}

impl Reveal {
    /// Returns how records and messages of these jobs are shown.
    pub(crate) fn of(self, catalog: &Catalog) -> Shown {
        Shown((!self.reveal).then(|| Redactions::of(&catalog.definitions())))
    }

    /// Returns a search that finds what is shown.
    pub(crate) fn search(self, search: Search, catalog: &Catalog) -> Search {
        match self.of(catalog) {
            Shown(Some(redactions)) => search.with_redactions(redactions),
            Shown(None) => search,
        }
    }
}

/// How records and messages are shown.
#[derive(Debug)]
pub(crate) struct Shown(Option<Redactions>);

impl Shown {
    /// Returns a record as it is shown.
    pub(crate) fn record(&self, record: Record) -> Record {
        match &self.0 {
            Some(redactions) => redactions.record(record),
            None => record,
        }
    }

    /// Removes from a dead letter what is not shown.
    pub(crate) fn dead_letter(&self, error: &mut String, body: &mut String) {
        if let Some(redactions) = &self.0 {
            *error = redactions.error(body, error).into_owned();
            *body = redactions.body(body).into_owned();
        }
    }
}
