//! `lamp retry`.

use clap::{ArgGroup, Args};
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use lamplighter::{Batch, Client, JobId, JobState, ListQuery, backend::StoreError, record::Fingerprint};

use super::{
    block_on,
    bulk::{self, Found},
};
use crate::{
    catalog::Catalog,
    error::Error,
    output::{self, GOOD},
    place::{Place, Target},
    progress, when,
};

/// Run jobs again: those given by id, or all failed ones that match.
///
/// A job keeps its id, its arguments and its history; its attempts are counted from the start. On a stack, its dead
/// letter stays until it expires, or until a redrive finds that the job no longer needs it.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("matching").args(["failed", "error"]).multiple(true))]
#[command(after_help = "Examples:
  lamp retry order-42 order-43
  lamp retry --error 3f9a5c0d7be21846
  lamp retry --failed --job invoices.send --since 2h
  lamp retry --all --dry-run")]
pub(crate) struct Retry {
    /// The ids of jobs that have failed, succeeded or been cancelled.
    #[arg(value_name = "ID", required_unless_present_any = ["failed", "error", "all"],
        conflicts_with_all = ["failed", "error", "all"])]
    ids: Vec<JobId>,
    /// The failed jobs that match --job, --queue, --since and --error; at least one of them is required.
    #[arg(long, conflicts_with = "all")]
    failed: bool,
    /// The failed jobs whose last attempt has failed in this way: a fingerprint from `lamp errors`.
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "all")]
    error: Option<Fingerprint>,
    /// Every failed job.
    #[arg(long)]
    all: bool,
    /// Only failed jobs of this name.
    #[arg(long, value_name = "NAME", requires = "matching", conflicts_with = "all")]
    job: Option<String>,
    /// Only failed jobs of this queue.
    #[arg(long, value_name = "NAME", requires = "matching", conflicts_with = "all")]
    queue: Option<String>,
    /// Only jobs that failed since this moment, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", requires = "matching", conflicts_with = "all", value_parser = when::since)]
    since: Option<Timestamp>,
    /// Count them, and run none.
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

/// The number of jobs that are queued again concurrently.
const AT_ONCE: usize = 16;

impl Retry {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let is_narrowed = self.job.is_some() || self.queue.is_some() || self.since.is_some() || self.error.is_some();
        if self.failed && !is_narrowed {
            return Err(Error::Usage(
                "say which failed jobs: --failed with --job, --queue or --since, --error FINGERPRINT, or --all for \
                 every one"
                    .into(),
            ));
        }
        block_on(async {
            let target = if self.dry_run { self.place.look().await? } else { self.place.open().await? };
            target.check_names(catalog, self.queue.as_deref(), self.job.as_deref()).await?;
            let client = target.records()?;
            if !self.ids.is_empty() {
                let retry = async |id: &JobId| one(&target, &client, id).await;
                return bulk::each(&self.ids, "queued again", retry).await;
            }
            let failed = self.find(&client).await?;
            if self.dry_run { count(&failed) } else { again(&client, failed).await }
        })
    }

    /// Returns the failed jobs that match. The list is complete before the first is queued again, so one that fails
    /// again is not found twice.
    async fn find(&self, client: &Client) -> Result<Vec<Found>, Error> {
        let (jobs, queues) = (self.job.iter().cloned().collect(), self.queue.iter().cloned().collect());
        let query =
            ListQuery { states: vec![JobState::Failed], jobs, queues, error: self.error, ..ListQuery::default() };
        bulk::find(client, query, |record| {
            self.since.is_none_or(|since| record.finished_at.is_none_or(|finished| finished >= since))
        })
        .await
    }
}

async fn one(target: &Target, client: &Client, id: &JobId) -> Result<(), Error> {
    let record = target.record(client, id).await?;
    if record.message.job == Batch::JOB && record.queue == Batch::QUEUE {
        return Err(Error::failed(format_args!(
            "{id} is a batch, and only its jobs run: `lamp batch {id} --jobs` lists them"
        )));
    }
    let before = record.state;
    match client.retry(id).await? {
        None => Err(target.no_job(id)),
        Some(_) if before.is_final() => Ok(()),
        Some(state) => Err(Error::failed(format_args!(
            "job {id} has not ended: it is {state}; wait for it, or `lamp cancel {id}` first"
        ))),
    }
}

fn count(failed: &[Found]) -> Result<(), Error> {
    if failed.is_empty() {
        output::hint("no failed jobs that fit");
        return Ok(());
    }
    bulk::count(failed, "FAILED")?;
    output::hint(&format!("{} would run once more; without --dry-run they do", jobs(failed.len())));
    Ok(())
}

async fn again(client: &Client, failed: Vec<Found>) -> Result<(), Error> {
    if failed.is_empty() {
        output::hint("no failed jobs that fit");
        return Ok(());
    }
    let total = failed.len();
    let bar = progress::bar("queueing again", total as u64);
    let asking = failed.iter().map(|failed| client.retry(&failed.id)).collect::<Vec<_>>();
    let mut answers = stream::iter(asking).buffer_unordered(AT_ONCE);
    let (mut queued, mut errors, mut first): (usize, usize, Option<StoreError>) = (0, 0, None);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Some(JobState::Queued)) => queued += 1,
            // Its record has expired meanwhile, or another process has queued it already.
            Ok(_) => {}
            Err(error) => {
                errors += 1;
                first.get_or_insert(error);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    output::print(|out| writeln!(out, "{GOOD}queued again{GOOD:#} {}", jobs(queued)))
        .map_err(|error| error.after(format_args!("{} queued again", were(queued))))?;
    match first {
        None => Ok(()),
        Some(error) => Err(Error::failed(format_args!("{errors} of {} were not queued again: {error}", jobs(total)))),
    }
}

fn jobs(count: usize) -> String {
    if count == 1 { "one failed job".into() } else { format!("{count} failed jobs") }
}

fn were(count: usize) -> String {
    format!("{} {}", jobs(count), if count == 1 { "was" } else { "were" })
}
