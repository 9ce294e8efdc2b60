//! Arguments that somebody has typed, checked before anything is asked for.

use lamplighter::{
    JobId, RawValue,
    operation::{Action, Target},
};

use super::Desk;
use crate::problem::Problem;

impl Desk {
    /// Why arguments do not fit a job. Hidden values that were left as they are count as those of the job that it is a copy of.
    /// A job that is not defined here is left to what enqueues it.
    ///
    /// # Errors
    /// When there is no such job to copy, or it cannot be read.
    pub async fn misfits(&self, job: &str, args: &RawValue, copy_of: Option<&JobId>) -> Result<Vec<String>, Problem> {
        let Some(definition) = self.site().definition(job) else { return Ok(Vec::new()) };
        let original = match copy_of {
            Some(id) => Some(self.record(id).await?),
            None => None,
        };
        let restored = match definition.redaction() {
            Some(redaction) => redaction.restored(args, original.as_ref().map(|record| &*record.message.args)),
            None => Ok(args.to_owned()),
        };
        Ok(match restored {
            Ok(args) => self.site().check.problems(definition, &args),
            Err(nothing_to_keep) => vec![nothing_to_keep.to_string()],
        })
    }

    /// Fails if an action would enqueue a job with arguments that do not fit.
    pub(super) async fn check_arguments(&self, action: &Action, target: &Target) -> Result<(), Problem> {
        let misfits = match (action, target) {
            (Action::EditAndRun { args }, Target::Job { id }) => {
                let job = self.record(id).await?.message.job.clone();
                self.misfits(&job, args.get(), Some(id)).await?
            }
            (Action::Enqueue { job, args, .. }, _) => self.misfits(job, args.get(), None).await?,
            _ => Vec::new(),
        };
        match misfits.is_empty() {
            true => Ok(()),
            false => Err(Problem::arguments(misfits.join("; "))),
        }
    }
}
