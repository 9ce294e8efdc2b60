//! Checking the arguments of a job that an operation enqueues.

use serde_json::value::RawValue;

use crate::{job::Definition, misfit::Misfit};

/// Checks arguments before an operation enqueues a job with them. [`CheckByType`] is the least; a program that has the JSON
/// Schemas at hand checks by those too.
pub trait CheckArguments: Send + Sync + 'static {
    /// The problems, without values of the arguments; none if they fit.
    fn problems(&self, definition: &Definition, args: &RawValue) -> Vec<String>;
}

/// Checks that arguments deserialize into their job's type, as the worker does.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckByType;

impl CheckArguments for CheckByType {
    fn problems(&self, definition: &Definition, args: &RawValue) -> Vec<String> {
        if !args.get().trim_start().starts_with('{') {
            return vec!["they are no JSON object".into()];
        }
        definition.parse(args.get()).err().map(|error| Misfit::from(&error).to_string()).into_iter().collect()
    }
}
