//! `lamp cancel`.

use clap::Args;
use lamplighter::{JobId, JobState};

use super::block_on;
use crate::{
    database::Database,
    error::Error,
    output::{self, GOOD, NAME},
};

/// Cancel a job that has not ended.
///
/// One that waits never starts. One that is running is told to come to an end, and what it returns counts no more.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The job's id.
    id: JobId,
    #[command(flatten)]
    database: Database,
}

impl Cancel {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self { id, database } = self;
        let state = block_on(async { Ok(database.existing()?.client().cancel(&id).await?) })?;
        match state {
            None => Err(database.no_job(&id)),
            Some(JobState::Cancelled) => {
                output::print(|out| writeln!(out, "{GOOD}cancelled{GOOD:#} {NAME}{id}{NAME:#}"))
            }
            Some(state) => Err(Error::failed(format_args!(
                "job {id} has {state} already, so there is nothing to cancel; `lamp job {id}` shows how it went"
            ))),
        }
    }
}
