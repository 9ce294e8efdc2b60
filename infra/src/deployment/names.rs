//! Names: their lengths, and collisions between them.

use std::collections::BTreeMap;

use super::{Deployment, workers::WORKERS};
use crate::problems::Problems;

/// The longest name of a stack. The stack's name is the prefix of the names in the template, so both share each limit.
pub const MAX_STACK_NAME: usize = 23;

/// The queue for events that could not be delivered.
pub const UNDELIVERED_QUEUE: &str = "undelivered-events";

/// Amazon SQS Developer Guide, "Queue quotas".
const MAX_QUEUE: usize = 80;
/// AWS Lambda API Reference, CreateFunction; Amazon EventBridge API Reference, PutRule: the same.
const MAX_FUNCTION_OR_RULE: usize = 64;

/// The longest name of a function.
pub const MAX_FUNCTION_NAME: usize = room(MAX_FUNCTION_OR_RULE, "-events");
/// The longest name of a queue.
pub const MAX_QUEUE_NAME: usize = room(MAX_QUEUE, "-dlq.fifo");
/// The longest name of a schedule.
pub const MAX_SCHEDULE_NAME: usize = room(MAX_FUNCTION_OR_RULE, "");

/// Returns the length left for a definition's name beside the stack's name, a `-` and a suffix.
const fn room(limit: usize, suffix: &str) -> usize {
    limit - MAX_STACK_NAME - 1 - suffix.len()
}

/// Converts a definition's name to the form of CloudFormation's ids: letters and digits.
///
/// ```
/// assert_eq!(lamplighter_infra::logical_name("report-daily.v2"), "ReportDailyV2");
/// ```
#[must_use]
pub fn logical_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// Returns whether the name may collide with another queue of the stack: a dead-letter queue, or the queue for
/// undelivered events.
#[must_use]
pub fn is_taken_queue(name: &str) -> bool {
    name == UNDELIVERED_QUEUE || name.ends_with("-dlq")
}

pub(super) fn check(deployment: &Deployment, problems: &mut Problems) {
    let queues = deployment.queues.iter().map(|queue| queue.name.as_str());
    let functions = deployment.functions.iter().map(|function| function.name.as_str());
    let schedules = deployment.schedules.iter().map(|schedule| schedule.name.as_str());
    check_kind("queue", MAX_QUEUE_NAME, queues, problems);
    for queue in &deployment.queues {
        if is_taken_queue(&queue.name) {
            problems
                .add(format!("queue {:?} has a name that another queue of the stack may have; rename it", queue.name));
        }
    }
    check_kind("function", MAX_FUNCTION_NAME, functions, problems);
    if deployment.functions.iter().any(|function| function.name == WORKERS) {
        problems.add(format!("function {WORKERS:?} has the name of the workers; rename it"));
    }
    check_kind("schedule", MAX_SCHEDULE_NAME, schedules, problems);
}

fn check_kind<'a>(kind: &str, room: usize, names: impl Iterator<Item = &'a str>, problems: &mut Problems) {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        if name.len() > room {
            problems.add(format!(
                "{kind} {name:?} has {} characters; after the stack's name there is room for {room}",
                name.len()
            ));
        }
        if let Some(other) = known.insert(logical_name(name), name) {
            let text = if other == name {
                format!("the name {kind} {name:?} is used twice; rename one")
            } else {
                format!("{kind} {other:?} and {kind} {name:?} differ only in punctuation; rename one")
            };
            problems.add(text);
        }
    }
}
