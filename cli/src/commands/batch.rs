//! `lamp batch`.

use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use lamplighter::{Batch as Standing, Client, JobId, JobState, Record};
use lamplighter_dashboard::view::{BatchView, MemberView};

use super::{block_on, bulk, job::moment};
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    output::{self, FAINT, STRONG},
    place::{Place, Target},
    progress, signals,
};

/// How often a batch that is waited for is looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Jobs of a batch in a page, and those of it that are read concurrently.
const PAGE: usize = 500;
const AT_ONCE: usize = 16;

/// Show how a batch stands: how many of its jobs have succeeded, failed or were cancelled.
///
/// `lamp cancel ID` cancels a batch with all of its jobs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp batch import-42
  lamp batch import-42 --jobs
  lamp batch import-42 --wait")]
pub(crate) struct Batch {
    /// The batch's id.
    id: JobId,
    /// Show its jobs, in the order in which they were added, instead.
    #[arg(long, conflicts_with = "wait")]
    jobs: bool,
    /// Wait until it has ended, and show its progress. The exit code is 1 unless all of its jobs have succeeded.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON; with --jobs one for each job.
    #[arg(long)]
    json: bool,
}

impl Batch {
    pub(super) fn run(self, _: &Catalog) -> Result<(), Error> {
        block_on(async {
            let target = self.place.look().await?;
            let client = target.records()?;
            let batch = self.look(&target, &client).await?;
            if self.jobs {
                return self.members(&client).await;
            }
            let batch = if self.wait { self.end(&target, &client, batch).await? } else { batch };
            if self.json {
                output::json_lines([BatchView::from(batch.clone())])?;
            } else {
                describe(&batch, Timestamp::now())?;
            }
            match (self.wait, batch.state) {
                (false, _) | (_, JobState::Succeeded) => Ok(()),
                (_, JobState::Waiting) => Err(Error::failed("stopped before the batch had ended; it goes on")),
                (_, state) => Err(Error::failed(format_args!("batch {} has {}", batch.id, past(state)))),
            }
        })
    }

    async fn look(&self, target: &Target, client: &Client) -> Result<Standing, Error> {
        match client.batch(&self.id).await? {
            Some(batch) => Ok(batch),
            None => {
                let record = target.record(client, &self.id).await?;
                Err(Error::failed(format_args!(
                    "{} is a job, not a batch: see {}",
                    record.id,
                    bulk::about("job", &record.id)
                )))
            }
        }
    }

    /// Waits for the end, or for a signal.
    async fn end(&self, target: &Target, client: &Client, mut batch: Standing) -> Result<Standing, Error> {
        let stop = signals::stop()?;
        let bar = progress::bar("ended", batch.total);
        while !batch.state.is_final() {
            bar.set_length(batch.total);
            bar.set_position(batch.done());
            tokio::select! {
                biased;
                () = stop.draining() => break,
                () = tokio::time::sleep(LOOK_AGAIN) => batch = self.look(target, client).await?,
            }
        }
        bar.finish_and_clear();
        Ok(batch)
    }

    /// Shows the jobs, a page at a time.
    async fn members(&self, client: &Client) -> Result<(), Error> {
        let (mut cursor, mut any) = (None, false);
        loop {
            let page = client.batch_jobs(&self.id, cursor.as_deref(), PAGE).await?;
            let reading: Vec<_> = page.ids.iter().map(|id| client.get(id)).collect();
            let records: Vec<Option<Record>> = stream::iter(reading).buffered(AT_ONCE).try_collect().await?;
            let members = page.ids.iter().zip(&records).map(|(id, record)| MemberView {
                id: id.clone(),
                job: record.as_ref().map(|record| record.message.job.clone()),
                state: record.as_ref().map(|record| record.state),
                is_batch: record.as_ref().is_some_and(|record| record.queue == Standing::QUEUE),
            });
            if self.json {
                output::json_lines(members)?;
            } else {
                let mut table = output::table(if any { &[] } else { &["ID", "JOB", "STATE"] });
                for MemberView { id, job, state, .. } in members {
                    let state = state.map_or("no record".to_owned(), |state| state.to_string());
                    table.add_row([
                        output::cell(id),
                        output::cell(safe(job.as_deref().unwrap_or_default())),
                        output::cell(state),
                    ]);
                }
                output::print_table(&table)?;
            }
            any = true;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }
}

fn past(state: JobState) -> &'static str {
    match state {
        JobState::Cancelled => "been cancelled",
        _ => "failed: not all of its jobs have succeeded",
    }
}

fn describe(batch: &Standing, now: Timestamp) -> Result<(), Error> {
    let style = output::state_style(batch.state);
    output::print(|out| {
        writeln!(out, "{STRONG}batch{STRONG:#}  {style}{}{style:#}", batch.state)?;
        let mut line = |name: &str, value: &str| writeln!(out, "  {FAINT}{name:<10}{FAINT:#} {value}");
        line("id", batch.id.as_str())?;
        line("created", &moment(batch.created_at, now))?;
        if let Some(finished) = batch.finished_at {
            line("finished", &moment(finished, now))?;
        }
        line("jobs", &format!("{} of {} have ended", batch.done(), batch.total))?;
        line("succeeded", &batch.succeeded.to_string())?;
        line("failed", &batch.failed.to_string())?;
        line("cancelled", &batch.cancelled.to_string())
    })
}
