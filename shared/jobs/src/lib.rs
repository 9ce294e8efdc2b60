//! The jobs, queues and schedules of this deployment: the one folder that a team edits every day.
//!
//! A definition is lightweight: a program that only enqueues compiles this crate and a backend, never a handler.
//! Handlers live in the functions' crates.

pub mod images;
pub mod imports;
pub mod queues;
pub mod reports;
pub mod webhooks;

use lamplighter::{
    Definition, Retention, ScheduledJob, days,
    schedule::{Schedule, ScheduleError},
};

use self::imports::{ConvertRows, ReportImport, SplitCsv};
pub use self::{images::MakeThumbnails, imports::ImportCsv, reports::DailyReport, webhooks::DeliverWebhook};

/// All jobs, by name.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    vec![
        Definition::of::<ImportCsv>(),
        Definition::of::<ReportImport>(),
        Definition::of::<ConvertRows>(),
        Definition::of::<SplitCsv>(),
        Definition::of::<MakeThumbnails>(),
        Definition::of::<DailyReport>(),
        Definition::of::<DeliverWebhook>(),
    ]
}

/// All schedules.
#[must_use]
#[expect(clippy::expect_used, reason = "expressions and arguments are in this file, and a test reads them all")]
pub fn schedules() -> Vec<ScheduledJob> {
    all_schedules().expect("the schedules of this deployment are well formed")
}

fn all_schedules() -> Result<Vec<ScheduledJob>, ScheduleError> {
    Ok(vec![
        Schedule::cron("report-daily", "0 6 * * *")?
            .description("Sums up yesterday's jobs")
            .starts(&DailyReport::default())?,
    ])
}

/// How long records of this deployment are kept. Longer than the default after a success: the report of a day is made
/// on the next, when the default would have dropped the day's first hours.
pub(crate) fn retention() -> Retention {
    Retention { succeeded: days(3), ..Retention::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lamplighter::{Function, message::is_job_name, schedule::EventBridge};

    use super::*;

    #[test]
    fn definitions_are_valid() {
        let definitions = definitions();
        let names: BTreeSet<_> = definitions.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), definitions.len(), "a name occurs twice: {names:?}");
        assert!(definitions.is_sorted_by_key(|definition| definition.name), "{names:?}");
        for definition in &definitions {
            assert!(is_job_name(definition.name), "{}", definition.name);
            assert_eq!(definition.queue.problems(), Vec::<String>::new(), "{}", definition.name);
            let timeout = definition.options.timeout;
            assert!(timeout + Function::TIMEOUT_MARGIN <= Function::MAX_TIMEOUT, "{}", definition.name);
        }
    }

    #[test]
    fn schedules_are_valid_and_start_defined_jobs() {
        let (schedules, definitions) = (all_schedules().unwrap(), definitions());
        let names: BTreeSet<_> = schedules.iter().map(|scheduled| &scheduled.schedule.name).collect();
        assert_eq!(names.len(), schedules.len(), "a name occurs twice: {names:?}");
        for scheduled in &schedules {
            scheduled.schedule.check().unwrap();
            scheduled.schedule.eventbridge().unwrap();
            assert!(definitions.iter().any(|definition| definition.name == &*scheduled.job), "{}", scheduled.job);
        }
    }

    #[test]
    fn the_report_is_a_rule_at_six_utc() {
        let schedules = schedules();
        let report = &schedules.iter().find(|scheduled| scheduled.schedule.name == "report-daily").unwrap().schedule;
        assert_eq!(report.eventbridge().unwrap(), EventBridge::Rule { expression: "cron(0 6 * * ? *)".into() });
        let next = report.next_after("2026-11-23T06:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(next, Some("2026-11-24T06:00:00Z".parse().unwrap()));
    }

    /// Schemas, against which senders check arguments, must catch a misspelt field, and describe each field.
    #[test]
    fn schemas_are_closed_and_describe_their_fields() {
        for definition in definitions() {
            let schema = definition.schema().to_value();
            let name = definition.name;
            assert_eq!(schema["additionalProperties"], false, "{name}: {schema}");
            assert!(schema["description"].is_string(), "{name} has no description: {schema}");
            for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert!(schema["description"].is_string(), "{name}: {field} has no description");
            }
        }
    }
}
