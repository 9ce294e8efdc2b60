//! `lamp cancel`.

use std::env;

use clap::Args;
use jiff::Timestamp;
use lamplighter::{Cancellation, Client, JobId, JobState, ListQuery};

use super::{block_on, bulk};
use crate::{
    catalog::Catalog,
    error::Error,
    output::{self, GOOD},
    place::{Place, Target},
    progress, when,
};

/// Cancel jobs that have not ended: those given by id, or all that match.
///
/// A job that waits never starts. The handler of a running job learns of it within seconds, if it asks, and its result no
/// longer counts. The reason and the name are kept with the record.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp cancel order-42 --reason 'the customer has withdrawn it'
  lamp cancel --open --job invoices.send --since 2h
  lamp cancel --open --queue mails --state waiting --dry-run")]
pub(crate) struct Cancel {
    /// The ids of the jobs.
    #[arg(value_name = "ID", required_unless_present_any = ["open", "all"], conflicts_with_all = ["open", "all"])]
    ids: Vec<JobId>,
    /// The jobs that have not ended and match --job, --queue, --state, --since and --before; at least one is required.
    #[arg(long, conflicts_with = "all")]
    open: bool,
    /// Every job that has not ended.
    #[arg(long)]
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
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who cancels them, for the record; by default the user of this terminal.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Count them, and cancel none.
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
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
            let cancellation = self.cancellation();
            if !self.ids.is_empty() {
                let cancel = async |id: &JobId| one(&target, &client, id, &cancellation).await;
                return bulk::each(&self.ids, "cancelled", cancel).await;
            }
            let query = self.query();
            if self.dry_run { count(&client, query).await } else { matching(&client, &query, &cancellation).await }
        })
    }

    fn cancellation(&self) -> Cancellation {
        let user = || ["USER", "USERNAME", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok());
        let mut cancellation = Cancellation::new();
        if let Some(reason) = &self.reason {
            cancellation = cancellation.reason(reason);
        }
        match self.by.clone().or_else(user) {
            Some(by) => cancellation.by(by),
            None => cancellation,
        }
    }

    fn query(&self) -> ListQuery {
        ListQuery {
            states: self.state.into_iter().collect(),
            jobs: self.job.iter().cloned().collect(),
            queues: self.queue.iter().cloned().collect(),
            since: self.since,
            before: self.before,
            ..ListQuery::default()
        }
    }
}

async fn one(target: &Target, client: &Client, id: &JobId, cancellation: &Cancellation) -> Result<(), Error> {
    match client.cancel(id).with(cancellation.clone()).await? {
        None => Err(target.no_job(id)),
        Some(JobState::Cancelled) => Ok(()),
        Some(state) => Err(Error::failed(format_args!(
            "job {id} has {state} already, so there is nothing to cancel; `lamp job {id}` shows how it went"
        ))),
    }
}

async fn count(client: &Client, query: ListQuery) -> Result<(), Error> {
    let mut found = Vec::new();
    for state in JobState::ALL.into_iter().filter(|state| query.takes_state(*state)) {
        if !state.is_final() {
            found.extend(bulk::find(client, ListQuery { states: vec![state], ..query.clone() }, |_| true).await?);
        }
    }
    if found.is_empty() {
        output::hint("no open jobs that fit");
        return Ok(());
    }
    bulk::count(&found, "OPEN")?;
    output::hint(&format!("{} would be cancelled; without --dry-run they are", jobs(found.len() as u64)));
    Ok(())
}

async fn matching(client: &Client, query: &ListQuery, cancellation: &Cancellation) -> Result<(), Error> {
    let bar = progress::bar("cancelling", 0);
    let answer = client
        .cancel_all(query, cancellation, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        })
        .await;
    bar.finish_and_clear();
    let all = answer?;
    if all.cancelled == 0 && all.failed.is_empty() {
        output::hint("no open jobs that fit");
        return Ok(());
    }
    output::print(|out| writeln!(out, "{GOOD}cancelled{GOOD:#} {}", jobs(all.cancelled)))
        .map_err(|error| error.after(format_args!("{} were cancelled", jobs(all.cancelled))))?;
    match all.failed.first() {
        None => Ok(()),
        Some((_, error)) => {
            Err(Error::failed(format_args!("{} could not be cancelled: {error}", jobs(all.failed.len() as u64))))
        }
    }
}

fn jobs(count: u64) -> String {
    if count == 1 { "one job".into() } else { format!("{count} jobs") }
}
