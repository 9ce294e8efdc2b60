//! Jobs that the audience brings: any that there is, with arguments of their own.

use lamplighter::{Definition, JobId, RawValue};

use super::{stage::Stage, watch::Watch};
use crate::{arguments, catalog, error::Error};

/// A job that is enqueued beside the demo's own.
#[derive(Debug)]
pub(super) struct Guest {
    definition: Definition,
    args: Box<RawValue>,
}

impl Guest {
    /// Reads `NAME` or `NAME=JSON`.
    pub(super) fn read(typed: &str) -> Result<Self, Error> {
        let (name, args) = typed.split_once('=').unwrap_or((typed, "{}"));
        let definition = catalog::definition(name)?;
        if !definition.options.is_tracked() {
            return Err(Error::Usage(format!(
                "{name} keeps no record, so the demo could not tell what became of it; `lamp dev` runs it"
            )));
        }
        let args = arguments::take(&definition, args)?;
        Ok(Self { definition, args })
    }

    /// Enqueues it.
    pub(super) async fn enter(self, stage: &Stage, watch: &mut Watch) -> Result<JobId, Error> {
        let Definition { name, queue, ref options, .. } = self.definition;
        let sent = stage.client().enqueue_raw(name, queue.name(), options.tracking, self.args).await?;
        watch.enter(sent.id(), &format!("{name}  yours"));
        Ok(sent.id().clone())
    }
}
