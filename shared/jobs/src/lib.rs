//! The jobs, queues and schedules of this deployment: the one folder that a team edits every day.
//!
//! A definition is light: a program that only enqueues compiles this crate and a backend, never a handler. Handlers
//! live in the functions' crates.

pub mod images;
pub mod queues;
pub mod reports;
pub mod webhooks;

use lamplighter::{Definition, Retention, days};

pub use self::{images::MakeThumbnails, reports::DailyReport, webhooks::DeliverWebhook};

/// All jobs, by name.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    vec![
        Definition::of::<MakeThumbnails>(),
        Definition::of::<DailyReport>(),
        Definition::of::<DeliverWebhook>(),
    ]
}

/// How long records of this deployment are kept. Longer than the default after a success: the report of a day is made
/// on the next, when the default would have let go of the day's first hours.
pub(crate) fn retention() -> Retention {
    Retention {
        succeeded: days(3),
        ..Retention::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lamplighter::{Function, is_job_name};

    use super::*;

    #[test]
    fn definitions_are_sound() {
        let definitions = definitions();
        let names: BTreeSet<_> = definitions
            .iter()
            .map(|definition| definition.name)
            .collect();
        assert_eq!(
            names.len(),
            definitions.len(),
            "a name stands there twice: {names:?}"
        );
        assert!(
            definitions.is_sorted_by_key(|definition| definition.name),
            "{names:?}"
        );
        for definition in &definitions {
            assert!(is_job_name(definition.name), "{}", definition.name);
            assert_eq!(
                definition.queue.problems(),
                Vec::<String>::new(),
                "{}",
                definition.name
            );
            let timeout = definition.options.attempt_timeout();
            assert!(
                timeout + Function::TIMEOUT_MARGIN <= Function::MAX_TIMEOUT,
                "{}",
                definition.name
            );
        }
    }

    /// What senders check arguments against must name a field that is misspelt, and tell people what each is for.
    #[test]
    fn schemas_know_their_fields_and_describe_them() {
        for definition in definitions() {
            let schema = definition.schema().to_value();
            let name = definition.name;
            assert_eq!(schema["additionalProperties"], false, "{name}: {schema}");
            assert!(
                schema["description"].is_string(),
                "{name} has no description: {schema}"
            );
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert!(
                    schema["description"].is_string(),
                    "{name}: {field} has no description"
                );
            }
        }
    }
}
