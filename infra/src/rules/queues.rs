//! Queues: numbers that SQS refuses, and dead-letter queues with too short a retention.

use super::resources::{Resource, Resources};
use crate::problems::Problems;

pub(super) const QUEUE: &str = "AWS::SQS::Queue";

/// SQS's defaults (Amazon SQS API Reference, CreateQueue).
pub(super) const DEFAULT_VISIBILITY: u64 = 30;
const DEFAULT_RETENTION: u64 = 345_600;

/// The ranges that SQS accepts (the same): property, minimum, maximum, in seconds.
const RANGES: [(&str, u64, u64); 3] =
    [("DelaySeconds", 0, 900), ("MessageRetentionPeriod", 60, 1_209_600), ("VisibilityTimeout", 0, 43_200)];

pub(super) fn examine(resources: &Resources<'_>, problems: &mut Problems) {
    for queue in resources.of_type(QUEUE) {
        for (property, least, most) in RANGES {
            let value = queue.number(property, least);
            if !(least..=most).contains(&value) {
                problems.add(format!("{}: {property} is {least} to {most} seconds, not {value}", queue.id));
            }
        }
        let redrive = &queue.properties["RedrivePolicy"];
        if let Some(dead) = resources.referred(QUEUE, &redrive["deadLetterTargetArn"]) {
            dead_letters(queue, dead, problems);
        }
    }
}

fn dead_letters(queue: Resource<'_>, dead: Resource<'_>, problems: &mut Problems) {
    let fifo = |queue: Resource<'_>| queue.properties["FifoQueue"] == true;
    if fifo(queue) != fifo(dead) {
        problems
            .add(format!("{} and its dead-letter queue {} must both be FIFO queues, or neither", queue.id, dead.id));
    }
    // A message keeps the time at which it was first sent (Amazon SQS Developer Guide, "Using dead-letter queues").
    let kept = |queue: Resource<'_>| queue.number("MessageRetentionPeriod", DEFAULT_RETENTION);
    if kept(dead) <= kept(queue) {
        problems.add(format!(
            "{} keeps messages for {} s from when they were first sent, no longer than {}: late dead letters would expire \
             immediately; make it 1209600",
            dead.id,
            kept(dead),
            queue.id
        ));
    }
}
