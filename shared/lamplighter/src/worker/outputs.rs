//! Outputs of other jobs as arguments.

use std::{collections::BTreeMap, time::Duration};

use serde_json::value::{RawValue, to_raw_value};
use tokio::time::timeout;

use crate::{
    context::Context,
    ports::{StoreError, StoreErrorKind},
};

/// The arguments of a job, with the outputs of the jobs that it waited for. Their records are read within `limit`.
pub(super) async fn with_outputs(
    context: &Context,
    args: &RawValue,
    limit: Duration,
) -> Result<Box<RawValue>, StoreError> {
    timeout(limit, read(context, args))
        .await
        .unwrap_or_else(|_| Err(StoreError::unavailable("the store gave no answer in time")))
}

async fn read(context: &Context, args: &RawValue) -> Result<Box<RawValue>, StoreError> {
    let invalid = |text: String| StoreError::new(StoreErrorKind::Invalid, text);
    // In the order of their names: a handler reads them by name.
    let mut args: BTreeMap<String, Box<RawValue>> = serde_json::from_str(args.get())
        .map_err(|_| invalid("the arguments of a job that gets outputs must be an object".into()))?;
    let store = context.client().store()?;
    for after in &context.message().after {
        let Some(name) = &after.output_as else { continue };
        let gone =
            || invalid(format!("the record of job {}, whose output is the argument {name:?}, is gone", after.id));
        let record = store.get(&after.id).await?.ok_or_else(gone)?;
        let output = record.output.unwrap_or_else(|| RawValue::NULL.to_owned());
        args.insert(name.clone(), output);
    }
    to_raw_value(&args).map_err(|error| invalid(error.to_string()))
}
