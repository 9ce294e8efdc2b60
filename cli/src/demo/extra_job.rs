//! Jobs that the user adds to a demo, with arguments of their own.

use lamplighter::{Definition, RawValue};

use super::{DemoEnv, Watched};
use crate::{arguments, catalog::Catalog, error::Error};

/// A job that is enqueued in addition to the demo's own.
#[derive(Debug)]
pub(crate) struct ExtraJob {
    definition: Definition,
    args: Box<RawValue>,
}

impl ExtraJob {
    /// Reads `NAME` or `NAME=JSON`.
    pub(crate) fn read(catalog: &Catalog, typed: &str) -> Result<Self, Error> {
        let (name, args) = typed.split_once('=').unwrap_or((typed, "{}"));
        let definition = catalog.definition(name)?;
        if !definition.options.is_tracked() {
            return Err(Error::Usage(format!(
                "{name} keeps no record, so the demo cannot tell its outcome; `lamp dev` runs it"
            )));
        }
        let args = arguments::take(&definition, args)?;
        Ok(Self { definition, args })
    }

    /// Enqueues it.
    pub(crate) async fn enqueue(self, env: &DemoEnv) -> Result<Watched, Error> {
        let Definition { name, queue, ref options, .. } = self.definition;
        let sent = env.client().enqueue_raw(name, queue.name(), options.tracking, self.args).await?;
        Ok(Watched::new(sent.id().clone(), format!("{name}  yours")))
    }
}
