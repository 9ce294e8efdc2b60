//! Schedules: the service that runs each, its target, and its message.

use std::collections::BTreeMap;

use lamplighter::{Function, ScheduledJob, backend::tick_template, schedule::EventBridge};

use crate::problems::Problems;

/// A schedule that starts a job.
#[derive(Debug, Clone, PartialEq)]
pub struct DeployedSchedule {
    /// Its name in the definitions.
    pub name: String,
    /// A description for people; may be empty.
    pub description: String,
    /// The job that it starts.
    pub job: String,
    /// Its times.
    pub timing: Timing,
    /// Its target.
    pub target: Target,
    /// Whether the target is a FIFO queue.
    pub fifo: bool,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The arguments: the text of a JSON object.
    args: String,
}

/// A schedule's times, in AWS's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timing {
    /// By an EventBridge rule, in UTC.
    Rule {
        /// `cron(…)` or `rate(…)`.
        expression: String,
    },
    /// By EventBridge Scheduler.
    Scheduler {
        /// `cron(…)` or `at(…)`.
        expression: String,
        /// The zone in which the expression is read.
        timezone: String,
    },
}

/// A schedule's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A queue, by its name in the definitions: no function runs just to start another.
    Queue(String),
    /// A function with a trigger of the schedule's name.
    Function(String),
}

/// EventBridge's limit for an input template and for a constant input (Amazon EventBridge API Reference,
/// InputTransformer and Target). Scheduler allows more.
const MAX_INPUT: usize = 8192;

impl DeployedSchedule {
    /// Returns the body of the message that a tick sends. `time` is the placeholder that the service replaces with the
    /// tick's time. An unreplaced placeholder is not a valid id, so ticks cannot all become one job.
    #[must_use]
    pub fn message(&self, time: &str) -> String {
        tick_template(&self.name, &self.job, &self.args, time)
    }
}

pub(super) fn derive(
    functions: &[Function],
    schedules: &[ScheduledJob],
    problems: &mut Problems,
) -> Vec<DeployedSchedule> {
    let mut all: BTreeMap<(&str, usize), DeployedSchedule> = BTreeMap::new();
    for (index, scheduled) in schedules.iter().enumerate() {
        if let Some(deployed) = one(functions, scheduled, problems) {
            all.insert((&scheduled.schedule.name, index), deployed);
        }
    }
    for function in functions {
        for trigger in &function.spec().events {
            let Some(rule) = trigger.rule else { continue };
            let fits = |scheduled: &&ScheduledJob| scheduled.schedule.name == rule && *scheduled.job == *trigger.job();
            if schedules.iter().find(fits).is_none() {
                problems.add(format!(
                    "function {:?}: a trigger starts {} on rule {rule:?}, and no schedule of that name starts that job; \
                     add one",
                    function.name(),
                    trigger.job()
                ));
            }
        }
    }
    all.into_values().collect()
}

fn one(functions: &[Function], scheduled: &ScheduledJob, problems: &mut Problems) -> Option<DeployedSchedule> {
    let schedule = &scheduled.schedule;
    let checked = schedule.check().map_err(|error| problems.add(error.to_string()));
    let timing = schedule.eventbridge().map_err(|error| {
        let text = error.to_string();
        // Both report an unknown zone.
        if !problems.sentences().contains(&text) {
            problems.add(text);
        }
    });
    let (name, job) = (&schedule.name, &*scheduled.job);
    let performer = functions.iter().find_map(|function| Some((function, function.route(job)?)));
    let Some((function, route)) = performer else {
        problems.add(format!("schedule `{name}` starts {job}, which no function performs; add a handler for it"));
        return None;
    };
    let (Ok(()), Ok(timing)) = (checked, timing) else { return None };
    let trigger = function.spec().events.iter().find(|trigger| trigger.job() == job && trigger.rule == Some(name));
    if let Some(trigger) = trigger {
        let own = trigger.fixed_args().map_or("{}", |args| args.get());
        if own != scheduled.args.get() {
            problems.add(format!(
                "schedule `{name}` starts {job} with other arguments than the trigger of that name in function {}; use \
                 the same for both",
                function.name()
            ));
        }
    }
    let deployed = DeployedSchedule {
        name: name.clone(),
        description: schedule.description.clone(),
        job: job.into(),
        timing: match timing {
            EventBridge::Rule { expression } => Timing::Rule { expression },
            EventBridge::Scheduler { expression, timezone } => Timing::Scheduler { expression, timezone },
        },
        target: match trigger {
            Some(_) => Target::Function(function.name().into()),
            None => Target::Queue(route.queue.name().into()),
        },
        fifo: trigger.is_none() && route.queue.is_fifo(),
        enabled: schedule.enabled,
        args: scheduled.args.get().into(),
    };
    let length = deployed.message("2026-11-23T06:00:00Z").len();
    if length > MAX_INPUT {
        problems.add(format!(
            "schedule `{name}` starts {job} with a message of {length} bytes; EventBridge sends {MAX_INPUT} at most: \
             put the data elsewhere and pass a reference"
        ));
    }
    if matches!((&deployed.timing, &deployed.target), (Timing::Scheduler { .. }, Target::Function(_))) {
        problems.add(format!(
            "schedule `{name}` is in a time zone or for one moment, which EventBridge rules do not support, so it cannot \
             call function {} directly; remove the trigger of that name, and it sends to the job's queue",
            function.name()
        ));
    }
    Some(deployed)
}
