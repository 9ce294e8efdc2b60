//! Arguments that somebody has typed, checked before anything is asked for.

use lamplighter::{
    Definition, JobId, RawValue,
    operation::{Action, Target},
};

use super::Desk;
use crate::problem::Problem;

impl Desk {
    /// Which fields of a job's arguments are sensitive, by their place: `["customer", "name"]`.
    pub(crate) fn sensitive_fields(&self, job: &str) -> impl Fn(&[&str]) -> bool + use<> {
        let redaction = self.site().definition(job).and_then(Definition::redaction);
        move |path| {
            // What would stand in the field may be shown unless it is sensitive itself, or stands in something that is.
            let within = path.iter().copied().chain([""]);
            redaction.as_ref().is_some_and(|redaction| redaction.visible_steps(within) <= path.len())
        }
    }

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

#[cfg(test)]
mod tests {
    use lamplighter::{App, Job, Queue, Sensitive, env::Env};
    use lamplighter_embedded::SqliteBackend;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{
        Site,
        desk::Shared,
        viewer::{Rights, Viewer},
    };

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Card {
        owner: String,
        number: Sensitive<String>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Charge {
        amount: u64,
        card: Card,
        keys: Sensitive<Vec<String>>,
    }

    impl Job for Charge {
        const NAME: &'static str = "card.charge";
        const QUEUE: Queue = Queue::standard("cards");
    }

    #[tokio::test]
    async fn a_field_inside_of_another_can_be_sensitive() {
        let backend = SqliteBackend::memory(Env::system()).unwrap();
        let app = App::new("shop").definitions([Definition::of::<Charge>()]);
        let site = Site::new(&app, backend.backend(), Env::system(), backend.operator());
        let desk = Desk::new(Shared::new(site), Viewer::new("ada", Rights::operator()));
        let is_sensitive = desk.sensitive_fields("card.charge");
        for (path, expected) in
            [(&["amount"][..], false), (&["card", "owner"], false), (&["card", "number"], true), (&["keys"], true)]
        {
            assert_eq!(is_sensitive(path), expected, "{path:?}");
        }
        assert!(!desk.sensitive_fields("old.job")(&["amount"]));
    }
}
