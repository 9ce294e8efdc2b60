//! `lamp delete`.

use clap::Args;
use lamplighter::{Client, JobId};

use super::{block_on, bulk};
use crate::{
    error::Error,
    place::{Place, Target},
};

/// Delete the records of jobs that have ended, with their history, their log and their arguments.
///
/// A dead letter of the job stays, and `lamp redrive` runs it as a new job. On a stack, the id is free again after 15
/// days: until then, a copy of the job's message that comes late is not run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp delete order-42
  lamp delete order-42 order-43 --stack shop")]
pub(crate) struct Delete {
    /// The ids of jobs that have succeeded, failed or been cancelled.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<JobId>,
    #[command(flatten)]
    place: Place,
}

impl Delete {
    pub(super) fn run(self) -> Result<(), Error> {
        block_on(async {
            let target = self.place.open().await?;
            let client = target.records()?;
            let delete = async |id: &JobId| one(&target, &client, id).await;
            bulk::each(&self.ids, "deleted", delete).await
        })
    }
}

async fn one(target: &Target, client: &Client, id: &JobId) -> Result<(), Error> {
    match client.delete(id).await? {
        None => Err(target.no_job(id)),
        Some(state) if state.is_final() => Ok(()),
        Some(state) => Err(Error::failed(format_args!(
            "job {id} has not ended: it is {state}; wait for it, or `lamp cancel {id}` first"
        ))),
    }
}
