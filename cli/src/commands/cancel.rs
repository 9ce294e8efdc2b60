//! `lamp cancel`.

use clap::Args;
use lamplighter::{JobId, JobState};

use super::block_on;
use crate::{
    error::Error,
    output::{self, GOOD, NAME},
    place::Place,
};

/// Cancel a job that has not ended.
///
/// A job that waits never starts. The handler of a running job is asked to stop, and its result no longer counts.
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// The job's id.
    id: JobId,
    #[command(flatten)]
    place: Place,
}

impl Cancel {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self { id, place } = self;
        let state = block_on(async {
            let target = place.open().await?;
            target.records()?.cancel(&id).await?.ok_or_else(|| target.no_job(&id))
        })?;
        match state {
            JobState::Cancelled => output::print(|out| writeln!(out, "{GOOD}cancelled{GOOD:#} {NAME}{id}{NAME:#}"))
                .map_err(|error| error.after(format_args!("job {id} was cancelled"))),
            state => Err(Error::failed(format_args!(
                "job {id} has {state} already, so there is nothing to cancel; `lamp job {id}` shows how it went"
            ))),
        }
    }
}
