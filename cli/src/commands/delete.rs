//! `lamp delete`.

use clap::Args;
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
};

/// Delete the records of jobs that have ended, with their history, their log and their arguments.
///
/// A dead letter of the job stays, and `lamp redrive` runs it as a new job. On a stack, the id is free again after 15
/// days: until then, a copy of the job's message that comes late is not run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp delete order-42
  lamp delete order-42 order-43 --stack shop --reason 'asked for by the customer'
  lamp delete --query 'state:cancelled job:mails.* before:30d' --dry-run")]
pub(crate) struct Delete {
    /// The ids of jobs that have succeeded, failed or been cancelled.
    #[arg(value_name = "ID", required_unless_present = "query", conflicts_with = "query")]
    ids: Vec<JobId>,
    #[command(flatten)]
    query: QueryArgs,
    #[command(flatten)]
    asking: Asking,
    /// Count them, and delete none.
    #[arg(long, conflicts_with = "ids")]
    dry_run: bool,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    place: Place,
}

const WORDS: Words = Words { done: "deleted", doing: "deleting", jobs: "ended" };

impl Delete {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(async {
            let target = if self.dry_run { self.place.look().await? } else { self.place.open().await? };
            let client = target.records()?;
            let operating = Operating::on(&target, catalog, &self.asking).ok_or_else(|| target.no_operations())?;
            let Some(asked) = self.query.checked(&target, catalog).await? else {
                let delete = async |id: &JobId| one(&target, &client, &operating, id).await;
                return bulk::each(&self.ids, "deleted", delete).await;
            };
            let ended: Vec<_> = JobState::ALL.into_iter().filter(|state| state.is_final()).collect();
            let wrong = "a job that has not ended cannot be deleted; cancel it first";
            let query = query::in_states(asked, &ended, JobState::is_final, wrong)?;
            WORDS
                .run(
                    (&client, &operating),
                    catalog,
                    (Action::Delete, Which::Query(query.into())),
                    (self.dry_run, &self.pace),
                )
                .await
        })
    }
}

async fn one(target: &Target, client: &Client, operating: &Operating<'_>, id: &JobId) -> Result<(), Error> {
    match client.get(id).await?.map(|record| record.state) {
        None => Err(target.no_job(id)),
        Some(state) if state.is_final() => {
            operating.once(Action::Delete, operation::Target::Job { id: id.clone() }).await?;
            Ok(())
        }
        Some(state) => Err(Error::failed(format_args!(
            "job {id} has not ended: it is {state}; wait for it, or {} first",
            bulk::about("cancel", id)
        ))),
    }
}
