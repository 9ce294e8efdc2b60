//! Doing something to all jobs that match a query, as an operation.

use lamplighter::{
    Client,
    operation::{Action, Operation, OperationState},
    query::Query,
};

use super::bulk;
use crate::{
    catalog::Catalog,
    error::Error,
    operating::Operating,
    output::{self, GOOD},
    query,
};

/// How it is told.
pub(super) struct Words {
    /// The participle: `cancelled`.
    pub(super) done: &'static str,
    /// What is done while it is done: `cancelling`.
    pub(super) doing: &'static str,
    /// The jobs that it can be done to: `open`.
    pub(super) jobs: &'static str,
}

/// Jobs that are counted beforehand, for the bar.
const COUNTED: u64 = 10_000;

impl Words {
    /// Does it to all that match, or counts them.
    pub(super) async fn run(
        &self,
        (client, operating): (&Client, &Operating<'_>),
        catalog: &Catalog,
        (action, query): (Action, Query),
        dry_run: bool,
    ) -> Result<(), Error> {
        let of = operating.matching(&query);
        let search = query::search(query, catalog);
        if dry_run {
            return self.count(&bulk::search(client, search).await?);
        }
        let expected = client.count_search(&search, COUNTED).await?;
        if expected.jobs == 0 && expected.is_complete {
            self.nothing();
            return Ok(());
        }
        self.say(&operating.all(action, of, None, (self.doing, expected.jobs)).await?)
    }

    fn nothing(&self) {
        output::hint(&format!("no {} jobs that fit", self.jobs));
    }

    fn count(&self, found: &[bulk::Found]) -> Result<(), Error> {
        if found.is_empty() {
            self.nothing();
            return Ok(());
        }
        bulk::count(found, &self.jobs.to_uppercase())?;
        let (done, jobs) = (self.done, jobs(found.len() as u64));
        output::hint(&format!("{jobs} would be {done}; without --dry-run they are"));
        Ok(())
    }

    fn say(&self, ended: &Operation) -> Result<(), Error> {
        let (done, progress) = (self.done, ended.progress);
        if progress.changed == 0 && progress.failed == 0 && ended.state == OperationState::Done {
            self.nothing();
            return Ok(());
        }
        output::print(|out| writeln!(out, "{GOOD}{done}{GOOD:#} {}", jobs(progress.changed)))
            .map_err(|error| error.after(format_args!("{} were {done}", jobs(progress.changed))))?;
        match (&ended.error, ended.state) {
            (Some(error), _) => {
                Err(Error::failed(format_args!("{} could not be {done}: {error}", jobs(progress.failed))))
            }
            (None, OperationState::Stopped) => {
                Err(Error::failed("stopped before the end: the others are as they were; run it again for the rest"))
            }
            _ => Ok(()),
        }
    }
}

fn jobs(count: u64) -> String {
    if count == 1 { "one job".into() } else { format!("{count} jobs") }
}
