//! `lamp retry`.

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use lamplighter::{
    Client, JobId, JobState, ListQuery,
    operation::{self, Action},
    query::Query,
    record::Fingerprint,
};

use super::{
    block_on,
    bulk::{self, Found},
    matching::{Pace, Which, Words},
};
use crate::{
    catalog::Catalog,
    error::Error,
    operating::{Asking, Operating},
    place::{Place, Target},
    query::{self, QueryArgs},
    when,
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
  lamp retry --query 'job:webhook.* error:\"timed out\" since:2h' --dry-run
  lamp retry --all --rate 20")]
pub(crate) struct Retry {
    /// The ids of jobs that have failed, succeeded or been cancelled.
    #[arg(value_name = "ID", required_unless_present_any = ["failed", "error", "all", "query"],
        conflicts_with_all = ["failed", "error", "all", "query"])]
    ids: Vec<JobId>,
    #[command(flatten)]
    query: QueryArgs,
    /// The failed jobs that match --job, --queue, --since and --error; at least one of them is required.
    #[arg(long, conflicts_with_all = ["all", "query"])]
    failed: bool,
    /// The failed jobs whose last attempt has failed in this way: a fingerprint from `lamp errors`.
    #[arg(long, value_name = "FINGERPRINT", conflicts_with_all = ["all", "query"])]
    error: Option<Fingerprint>,
    /// Every failed job.
    #[arg(long, conflicts_with = "query")]
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
    pace: Pace,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Place,
}

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
            let operating = Operating::on(&target, catalog, &self.asking).ok_or_else(|| target.no_operations())?;
            if !self.ids.is_empty() {
                let retry = async |id: &JobId| one(&target, &client, &operating, id).await;
                return bulk::each(&self.ids, "queued again", retry).await;
            }
            let (words, which) = match (self.query.checked(&target, catalog).await?, self.since) {
                (Some(query), _) => {
                    let wrong = "a job that has not ended cannot run again; wait for it, or cancel it first";
                    let words = if query.states().is_empty() { FAILED } else { ENDED };
                    let query = query::in_states(query, &[JobState::Failed], JobState::is_final, wrong)?;
                    (words, Which::Query(query.into()))
                }
                // When a job has failed is no term of a query.
                (None, Some(since)) => (FAILED, Which::Found(self.find(&client, since).await?)),
                (None, None) => (FAILED, Which::Query(self.failed().into())),
            };
            words.run((&client, &operating), catalog, (Action::Retry, which), (self.dry_run, &self.pace)).await
        })
    }

    fn failed(&self) -> Query {
        let mut query = Query::new().state(JobState::Failed);
        query = self.job.iter().fold(query, |query, job| query.job(job));
        query = self.queue.iter().fold(query, |query, queue| query.queue(queue));
        self.error.iter().fold(query, |query, error| query.error_group(*error))
    }

    /// Returns the jobs that match and have failed since then. The list is complete before the first is queued again, so one that fails
    /// again is not found twice.
    async fn find(&self, client: &Client, since: Timestamp) -> Result<Vec<Found>, Error> {
        let (jobs, queues) = (self.job.iter().cloned().collect(), self.queue.iter().cloned().collect());
        let query =
            ListQuery { states: vec![JobState::Failed], jobs, queues, error: self.error, ..ListQuery::default() };
        bulk::find(client, query, |record| record.finished_at.is_none_or(|finished| finished >= since)).await
    }
}

const FAILED: Words = Words { done: "queued again", doing: "queueing again", jobs: "failed" };
/// Where the query names states.
const ENDED: Words = Words { jobs: "ended", ..FAILED };

async fn one(target: &Target, client: &Client, operating: &Operating<'_>, id: &JobId) -> Result<(), Error> {
    let record = target.record(client, id).await?;
    if record.is_batch() {
        return Err(Error::failed(format_args!(
            "{id} is a batch, and only its jobs run: {} with --jobs lists them",
            bulk::about("batch", id)
        )));
    }
    if !record.state.is_final() {
        let state = record.state;
        return Err(Error::failed(format_args!(
            "job {id} has not ended: it is {state}; wait for it, or {} first",
            bulk::about("cancel", id)
        )));
    }
    operating.once(Action::Retry, operation::Target::Job { id: id.clone() }).await.map(drop)
}
