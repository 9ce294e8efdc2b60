//! Shared properties of rules and schedules: their descriptions, and their delivery.

use super::names::UNDELIVERED;
use crate::{
    deployment::DeployedSchedule,
    node::{Map, arn},
};

/// Returns both services' own defaults (Amazon EventBridge API Reference, RetryPolicy), written out: for a day, they
/// retry a delivery that a queue or function did not accept.
fn retry_policy() -> Map {
    Map::new().set("MaximumEventAgeInSeconds", 86_400u32).set("MaximumRetryAttempts", 185u16)
}

pub(super) fn with_retries(target: Map) -> Map {
    target.set("RetryPolicy", retry_policy()).set("DeadLetterConfig", Map::new().set("Arn", arn(UNDELIVERED)))
}

/// Returns the message group: on a FIFO queue, the ticks of one schedule keep their order.
pub(super) fn group(schedule: &DeployedSchedule) -> Option<Map> {
    schedule.fifo.then(|| Map::new().set("MessageGroupId", schedule.name.as_str()))
}

pub(super) fn about(schedule: &DeployedSchedule) -> String {
    match schedule.description.as_str() {
        "" => format!("Starts {}", schedule.job),
        text => text.to_owned(),
    }
}

pub(super) fn state(schedule: &DeployedSchedule) -> &'static str {
    if schedule.enabled { "ENABLED" } else { "DISABLED" }
}
