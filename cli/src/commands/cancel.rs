//! `lamp cancel`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    Client, JobId, JobState,
    operation::{self, Action},
    query::Query,
};

use super::{
    block_on, bulk,
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

/// Cancel jobs that have not ended: those given by id, or all that match.
///
/// A job that waits never starts. The handler of a running job learns of it within seconds, if it asks, and its result no
/// longer counts. The reason and the name are kept with the record.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp cancel order-42 --reason 'the customer has withdrawn it'
  lamp cancel --open --job invoices.send --since 2h
  lamp cancel --query 'args.customer.id:42 -job:invoices.send' --dry-run
  lamp cancel --open --queue mails --state waiting --dry-run")]
pub(crate) struct Cancel {
    /// The ids of the jobs.
    #[arg(value_name = "ID", required_unless_present_any = ["open", "all", "query"],
        conflicts_with_all = ["open", "all", "query"])]
    ids: Vec<JobId>,
    #[command(flatten)]
    query: QueryArgs,
    /// The jobs that have not ended and match --job, --queue, --state, --since and --before; at least one is required.
    #[arg(long, conflicts_with_all = ["all", "query"])]
    open: bool,
    /// Every job that has not ended.
    #[arg(long, conflicts_with = "query")]
    all: bool,
    /// Only jobs of this name.
    #[arg(long, value_name = "NAME", requires = "open", conflicts_with = "all")]
    job: Option<String>,
    /// Only jobs of this queue.
    #[arg(long, value_name = "NAME", requires = "open", conflicts_with = "all")]
    queue: Option<String>,
    /// Only jobs in this state: waiting, scheduled, queued, running, retrying.
    #[arg(long, value_name = "STATE", requires = "open", conflicts_with = "all", value_parser = open_state)]
    state: Option<JobState>,
    /// Only jobs enqueued at or after this moment, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", requires = "open", conflicts_with = "all", value_parser = when::since)]
    since: Option<Timestamp>,
    /// Only jobs enqueued before this moment, or longer ago than this: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", requires = "open", conflicts_with = "all", value_parser = when::since)]
    before: Option<Timestamp>,
    #[command(flatten)]
    asking: Asking,
    /// Count them, and cancel none.
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    place: Place,
}

fn open_state(text: &str) -> Result<JobState, String> {
    let state: JobState = text.parse().map_err(|error| format!("{error}"))?;
    if state.is_final() { Err(format!("a job that has {state} has ended already")) } else { Ok(state) }
}

impl Cancel {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let is_narrowed = self.job.is_some()
            || self.queue.is_some()
            || self.state.is_some()
            || self.since.is_some()
            || self.before.is_some();
        if self.open && !is_narrowed {
            return Err(Error::Usage(
                "say which jobs: --open with --job, --queue, --state, --since or --before, or --all for every one that \
                 has not ended"
                    .into(),
            ));
        }
        block_on(async {
            let target = if self.dry_run { self.place.look().await? } else { self.place.open().await? };
            target.check_names(catalog, self.queue.as_deref(), self.job.as_deref()).await?;
            let client = target.records()?;
            let operating = Operating::on(&target, catalog, &self.asking).ok_or_else(|| target.no_operations())?;
            if !self.ids.is_empty() {
                let cancel = async |id: &JobId| one(&target, &client, &operating, id).await;
                return bulk::each(&self.ids, "cancelled", cancel).await;
            }
            let open: Vec<_> = JobState::ALL.into_iter().filter(|state| !state.is_final()).collect();
            let query = match self.query.checked(&target, catalog).await? {
                Some(query) => query.clone(),
                None => self.options(),
            };
            let wrong = "a job that has ended cannot be cancelled";
            let query = query::in_states(&query, &open, |state| !state.is_final(), wrong)?;
            WORDS
                .run(
                    (&client, &operating),
                    catalog,
                    (Action::Cancel, Which::Query(query.into())),
                    (self.dry_run, &self.pace),
                )
                .await
        })
    }

    fn options(&self) -> Query {
        let mut query = Query::new();
        query = self.state.iter().fold(query, |query, state| query.state(*state));
        query = self.job.iter().fold(query, |query, job| query.job(job));
        query = self.queue.iter().fold(query, |query, queue| query.queue(queue));
        query = self.since.iter().fold(query, |query, since| query.since(*since));
        self.before.iter().fold(query, |query, before| query.before(*before))
    }
}

const WORDS: Words = Words { done: "cancelled", doing: "cancelling", jobs: "open" };

async fn one(target: &Target, client: &Client, operating: &Operating<'_>, id: &JobId) -> Result<(), Error> {
    if client.get(id).await?.is_none_or(|record| !record.state.is_final()) {
        operating.once(Action::Cancel, operation::Target::Job { id: id.clone() }).await?;
    }
    match client.get(id).await?.map(|record| record.state) {
        None => Err(target.no_job(id)),
        Some(JobState::Cancelled) => Ok(()),
        Some(state) => Err(Error::failed(format_args!(
            "job {id} has {state} already, so there is nothing to cancel; {} shows how it went",
            bulk::about("job", id)
        ))),
    }
}
