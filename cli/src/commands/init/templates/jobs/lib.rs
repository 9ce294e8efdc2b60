//! The jobs, queues and schedules of {{name}}: the one folder that a team edits every day.
//!
//! A definition is light: a program that only enqueues compiles this crate and a backend, never a handler. Handlers
//! live in the functions' crates.

pub mod {{module}};
pub mod queues;

use lamplighter::{
    Definition, ScheduledJob,
    schedule::{Schedule, ScheduleError},
};

pub use self::{{module}}::{{type}};

/// All jobs, by name.
#[must_use]
pub fn definitions() -> Vec<Definition> {
    vec![Definition::of::<{{type}}>()]
}

/// All schedules.
#[must_use]
#[expect(clippy::expect_used, reason = "expressions and arguments are written in this file, and a test reads them all")]
pub fn schedules() -> Vec<ScheduledJob> {
    all_schedules().expect("the schedules are well formed")
}

fn all_schedules() -> Result<Vec<ScheduledJob>, ScheduleError> {
    Ok(vec![Schedule::cron("{{schedule}}", "0 6 * * *")?.starts(&{{type}}::default())?])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn definitions_are_valid() {
        let definitions = definitions();
        let names: BTreeSet<_> = definitions.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), definitions.len(), "two jobs have the same name: {names:?}");
        for definition in &definitions {
            assert!(lamplighter::message::is_job_name(definition.name), "{}", definition.name);
            assert_eq!(definition.queue.problems(), Vec::<String>::new(), "{}", definition.name);
        }
    }

    #[test]
    fn schedules_are_valid_and_start_defined_jobs() {
        let (schedules, definitions) = (all_schedules().unwrap(), definitions());
        let names: BTreeSet<_> = schedules.iter().map(|scheduled| &scheduled.schedule.name).collect();
        assert_eq!(names.len(), schedules.len(), "two schedules have the same name: {names:?}");
        for scheduled in &schedules {
            scheduled.schedule.check().unwrap();
            scheduled.schedule.eventbridge().unwrap();
            assert!(definitions.iter().any(|definition| definition.name == &*scheduled.job), "{}", scheduled.job);
        }
    }
}
