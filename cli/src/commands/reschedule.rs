//! `lamp reschedule`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use lamplighter::{Client, JobId, JobState};

use super::{block_on, bulk};
use crate::{
    error::Error,
    place::{Place, Target},
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
  lamp reschedule order-42 --at 2026-12-24T18:00:00+01:00 --stack shop")]
pub(crate) struct Reschedule {
    /// The ids of the jobs.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<JobId>,
    #[command(flatten)]
    time: Time,
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
    fn moment(&self) -> Result<Timestamp, Error> {
        let now = Timestamp::now();
        match (self.after, self.at) {
            (Some(after), _) => now.checked_add(after).map_err(|_| Error::Usage("--in is too far away".into())),
            (None, Some(at)) => Ok(at),
            (None, None) => Ok(now),
        }
    }
}

impl Reschedule {
    pub(super) fn run(self) -> Result<(), Error> {
        let at = self.time.moment()?;
        block_on(async {
            let target = self.place.open().await?;
            let client = target.records()?;
            let reschedule = async |id: &JobId| one(&target, &client, id, at).await;
            bulk::each(&self.ids, "rescheduled", reschedule).await
        })
    }
}

async fn one(target: &Target, client: &Client, id: &JobId, at: Timestamp) -> Result<(), Error> {
    match client.reschedule(id, at).await? {
        None => Err(target.no_job(id)),
        Some(JobState::Scheduled | JobState::Queued | JobState::Retrying) => Ok(()),
        Some(state) if state.is_final() => {
            Err(Error::failed(format_args!("job {id} has {state} already; `lamp retry {id}` runs it again")))
        }
        Some(state) => Err(Error::failed(format_args!("job {id} is {state}, so its time stays as it is"))),
    }
}
