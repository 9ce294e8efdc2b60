//! `lamp reschedule`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    Client, JobId, JobState,
    operation::{self, Action},
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

/// Give another time to jobs that are scheduled, queued or retrying: now, later, or at a moment.
///
/// The next attempt is at that time, and counts as it would have. A job that waits for others, runs or has ended stays as
/// it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp reschedule order-42 --now
  lamp reschedule order-42 order-43 --in 2h
  lamp reschedule order-42 --at 2026-12-24T18:00:00+01:00 --stack shop
  lamp reschedule --query 'state:retrying queue:mails' --now --reason 'the mail server is back'")]
pub(crate) struct Reschedule {
    /// The ids of the jobs.
    #[arg(value_name = "ID", required_unless_present = "query", conflicts_with = "query")]
    ids: Vec<JobId>,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    time: Time,
    #[command(flatten)]
    asking: Asking,
    /// Count them, and change none.
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Time {
    /// At once.
    #[arg(long)]
    now: bool,
    /// After this time, counted from now: 90s, 2h, 3 days.
    #[arg(long = "in", value_name = "TIME", value_parser = when::delay)]
    after: Option<Duration>,
    /// At this moment, written like 2026-12-24T18:00:00+01:00.
    #[arg(long, value_name = "MOMENT", value_parser = when::moment)]
    at: Option<Timestamp>,
}

impl Time {
    fn action(&self) -> Result<Action, Error> {
        let now = Timestamp::now();
        match (self.after, self.at) {
            (Some(after), _) => {
                let at = now.checked_add(after).map_err(|_| Error::Usage("--in is too far away".into()))?;
                Ok(Action::Reschedule { at })
            }
            (None, Some(at)) => Ok(Action::Reschedule { at }),
            (None, None) => Ok(Action::RunNow),
        }
    }
}

const MOVABLE: [JobState; 3] = [JobState::Scheduled, JobState::Queued, JobState::Retrying];
const WORDS: Words = Words { done: "rescheduled", doing: "rescheduling", jobs: "delayed" };

impl Reschedule {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let action = self.time.action()?;
        block_on(async {
            let target = if self.dry_run { self.place.look().await? } else { self.place.open().await? };
            let client = target.records()?;
            let operating = Operating::on(&target, catalog, &self.asking).ok_or_else(|| target.no_operations())?;
            let Some(asked) = self.query.checked(&target, catalog).await? else {
                let reschedule = async |id: &JobId| one(&target, &client, &operating, (id, &action)).await;
                return bulk::each(&self.ids, "rescheduled", reschedule).await;
            };
            let wrong = "only a job that is scheduled, queued or retrying has a time to come";
            let query = query::in_states(asked, &MOVABLE, |state| MOVABLE.contains(&state), wrong)?;
            WORDS
                .run((&client, &operating), catalog, (action, Which::Query(query.into())), (self.dry_run, &self.pace))
                .await
        })
    }
}

async fn one(
    target: &Target,
    client: &Client,
    operating: &Operating<'_>,
    (id, action): (&JobId, &Action),
) -> Result<(), Error> {
    match client.get(id).await?.map(|record| record.state) {
        None => Err(target.no_job(id)),
        Some(state) if MOVABLE.contains(&state) => {
            operating.once(action.clone(), operation::Target::Job { id: id.clone() }).await?;
            Ok(())
        }
        Some(state) if state.is_final() => {
            Err(Error::failed(format_args!("job {id} has {state} already; {} runs it again", bulk::about("retry", id))))
        }
        Some(state) => Err(Error::failed(format_args!("job {id} is {state}, so its time stays as it is"))),
    }
}
