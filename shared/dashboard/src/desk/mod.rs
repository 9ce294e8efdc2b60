//! The desk: answers a viewer's questions about a site, and carries out what they ask for.
//!
//! It is the only road to the backend. Rights are checked here, so that pages and API cannot differ in them; sensitive
//! arguments are hidden here; and each question has a deadline.

mod arguments;
mod batches;
mod command;
mod dead_letters;
mod errors;
mod fresh;
mod health;
mod jobs;
mod operations;
mod overview;
mod queues;
mod rights;
mod schedules;
mod shared;
mod stats;
mod types;
mod wording;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use lamplighter::{Client, JobId, Record};

pub use self::{command::CommandLine, errors::ErrorFilter, operations::OperationRequest, shared::Shared};
use crate::{
    problem::Problem,
    site::Site,
    view::{MeView, QueueRights},
    viewer::{ActionKind, Viewer},
};

/// How long a question to the backend may take.
pub const DEADLINE: Duration = Duration::from_secs(3);
/// The most items of a page.
pub const MOST_ITEMS: usize = 200;
/// The items of a page, unless asked for otherwise.
pub const ITEMS: usize = 50;

/// Answers the questions of one viewer about a site.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
    viewer: Arc<Viewer>,
}

impl Desk {
    /// The desk of a viewer. Desks of one `shared` share what they have read within the last second.
    #[must_use]
    pub fn new(shared: Arc<Shared>, viewer: Viewer) -> Self {
        Self { shared, viewer: Arc::new(viewer) }
    }

    /// Who looks.
    #[must_use]
    pub fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// What is looked at.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.shared.site
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.site().env.now()
    }

    /// Who looks, and what they may do.
    #[must_use]
    pub fn me(&self) -> MeView {
        let Viewer { name, rights } = self.viewer();
        let queues = match rights.queues() {
            None => QueueRights::All,
            Some(queues) => QueueRights::Only(queues.iter().cloned().collect()),
        };
        MeView { name: name.clone(), actions: rights.actions().collect(), queues }
    }

    /// A command that operates the same place, as one types it into a shell; empty if nobody can
    /// [type it](CommandLine::typed).
    #[must_use]
    pub fn command(&self, command: &CommandLine) -> String {
        command.typed(&self.site().command).unwrap_or_default()
    }

    /// Whether the viewer may do this.
    #[must_use]
    pub fn may(&self, action: ActionKind) -> bool {
        self.viewer.rights.may(action)
    }

    fn sees(&self, queue: &str) -> bool {
        self.viewer.rights.sees(queue)
    }

    fn sees_all(&self) -> bool {
        self.viewer.rights.queues().is_none()
    }

    fn client(&self) -> &Client {
        &self.site().client
    }

    /// A record as it may be shown.
    fn shown(&self, record: Record) -> Record {
        self.site().redactions.record(record)
    }

    /// The record of a job that the viewer may see.
    async fn record(&self, id: &JobId) -> Result<Record, Problem> {
        let record = in_time("the store of records", self.client().get(id)).await?;
        let seen = match record {
            Some(record) if self.sees_record(&record).await? => Some(record),
            _ => None,
        };
        seen.ok_or_else(|| Problem::not_found("job", id.as_str()))
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("viewer", &self.viewer.name).finish_non_exhaustive()
    }
}

/// Waits for an answer of the backend, and not for long.
async fn in_time<T, E: Into<Problem>>(who: &str, question: impl Future<Output = Result<T, E>>) -> Result<T, Problem> {
    match tokio::time::timeout(DEADLINE, question).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => {
            Err(Problem::unavailable(format!("No answer from {who} within {} seconds; try again.", DEADLINE.as_secs())))
        }
    }
}

/// The number of items on a page.
fn items(limit: usize) -> usize {
    match limit {
        0 => ITEMS,
        limit => limit.min(MOST_ITEMS),
    }
}

/// A name as it stands in the path of an address. Browsers and programs take `.` and `..` for steps through the path: they stand
/// there behind a `~`.
pub(crate) fn segment(name: &str) -> Cow<'_, str> {
    if is_step(name) { format!("~{name}").into() } else { name.into() }
}

/// The name that stands so in an address.
fn named(segment: &str) -> &str {
    segment.strip_prefix('~').filter(|name| is_step(name)).unwrap_or(segment)
}

fn is_step(name: &str) -> bool {
    matches!(name.trim_start_matches('~'), "." | "..")
}

/// An id from an address: what cannot be one is one that does not exist.
fn job_id(kind: &str, text: &str) -> Result<JobId, Problem> {
    let text = named(text);
    JobId::new(text).map_err(|_| Problem::not_found(kind, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_can_stand_in_an_address() {
        for name in [".", "..", "~.", "~..", "a", "~a", "...", "~", ""] {
            let written = segment(name);
            assert!(!matches!(&*written, "." | ".."), "{name}");
            assert_eq!(named(&written), name);
        }
    }
}
