//! Doing something to all jobs that match, as an operation.

use std::num::NonZeroU32;

use clap::Args;
use lamplighter::{
    Client,
    operation::{Action, Preview},
    query::Query,
};

use super::bulk::{self, Found};
use crate::{
    catalog::Catalog,
    error::Error,
    operating::{Operating, Outcome},
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

/// Which jobs are meant.
pub(super) enum Which {
    /// Those that match.
    Query(Box<Query>),
    /// Those that were found by what no query says.
    Found(Vec<Found>),
}

/// How fast it is done.
#[derive(Debug, Args)]
pub(super) struct Pace {
    /// The maximum number of jobs per second.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["ids", "dry_run"])]
    rate: Option<NonZeroU32>,
}

/// Jobs that are counted beforehand, for the bar.
const COUNTED: u64 = 10_000;

impl Words {
    /// Does it to all that are meant, or counts them.
    pub(super) async fn run(
        &self,
        (client, operating): (&Client, &Operating<'_>),
        catalog: &Catalog,
        (action, which): (Action, Which),
        (dry_run, Pace { rate }): (bool, &Pace),
    ) -> Result<(), Error> {
        match which {
            Which::Query(query) if dry_run => {
                let Preview { by_job, is_complete, .. } =
                    operating.preview(&action, &Operating::matching(&query)).await?;
                let counts = by_job.into_iter().map(|one| ((one.job, one.queue), one.jobs));
                self.count(counts.collect(), is_complete)
            }
            Which::Query(query) => {
                let of = Operating::matching(&query);
                let expected = client.count_search(&query::search(*query, catalog), COUNTED).await?;
                if expected.jobs == 0 && expected.is_complete {
                    self.nothing();
                    return Ok(());
                }
                let expected = expected.is_complete.then_some(expected.jobs);
                self.say(&operating.all(action, of, *rate, (self.doing, expected)).await?.into())
            }
            Which::Found(found) if dry_run => self.count(bulk::counts(&found), true),
            Which::Found(found) => self.say(&operating.each(&action, bulk::named(&found), *rate, self.doing).await?),
        }
    }

    fn nothing(&self) {
        output::hint(&format!("no {} jobs that fit", self.jobs));
    }

    /// Shows how many jobs match, by job and queue.
    fn count(&self, counts: Vec<((String, String), u64)>, is_complete: bool) -> Result<(), Error> {
        let all = counts.iter().map(|(_, jobs)| jobs).sum();
        if all == 0 && is_complete {
            self.nothing();
            return Ok(());
        }
        let mut table = output::table(&["JOB", "QUEUE", &self.jobs.to_uppercase()]);
        for ((job, queue), jobs) in counts {
            table.add_row([output::cell(job), output::cell(queue), output::cell(jobs)]);
        }
        output::print_table(&table)?;
        let (done, at_least) = (self.done, if is_complete { "" } else { "at least " });
        output::hint(&format!("{at_least}{} would be {done}; without --dry-run they are", jobs(all)));
        Ok(())
    }

    fn say(&self, Outcome { progress, error, stopped }: &Outcome) -> Result<(), Error> {
        let done = self.done;
        if progress.changed == 0 && progress.failed == 0 && error.is_none() && stopped.is_none() {
            self.nothing();
            return Ok(());
        }
        output::print(|out| writeln!(out, "{GOOD}{done}{GOOD:#} {}", jobs(progress.changed)))
            .map_err(|error| error.after(format_args!("{} were {done}", jobs(progress.changed))))?;
        match (error, stopped) {
            (Some(error), _) if progress.failed > 0 => {
                Err(Error::failed(format_args!("{} could not be {done}: {error}", jobs(progress.failed))))
            }
            (Some(error), _) => Err(Error::failed(format_args!("not all that match were {done}: {error}"))),
            (None, Some(id)) => Err(Error::failed(format_args!(
                "stopped before the end: the others are as they were; run it again for the rest, `lamp ops {id}` shows \
                 how far it came"
            ))),
            (None, None) => Ok(()),
        }
    }
}

fn jobs(count: u64) -> String {
    if count == 1 { "one job".into() } else { format!("{count} jobs") }
}
