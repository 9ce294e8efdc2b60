//! `lamp retry`.

use clap::Args;
use lamplighter::JobId;

use super::block_on;
use crate::{
    database::Database,
    error::Error,
    output::{self, GOOD, NAME},
};

/// Run a job once more that has failed, succeeded or been cancelled.
///
/// It keeps its id, its arguments and its history; its attempts are counted anew.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The job's id.
    id: JobId,
    #[command(flatten)]
    database: Database,
}

impl Retry {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self { id, database } = self;
        let (before, after) = block_on(async {
            let embedded = database.existing()?;
            let before = database.record(&embedded, &id).await?.state;
            Ok((before, embedded.client().requeue(&id).await?))
        })?;
        match after {
            None => Err(database.no_job(&id)),
            Some(_) if before.is_final() => {
                output::print(|out| writeln!(out, "{GOOD}queued again{GOOD:#} {NAME}{id}{NAME:#}"))
            }
            Some(state) => Err(Error::failed(format_args!(
                "job {id} has not ended: it is {state}; wait for it, or `lamp cancel {id}` first"
            ))),
        }
    }
}
