//! What rules and schedules have in common: what they say of themselves, and how they deliver.

use super::names::UNDELIVERED;
use crate::{
    deployment::DeployedSchedule,
    node::{Map, arn},
};

/// Both services' own defaults (Amazon EventBridge API Reference, RetryPolicy), written down: for a day, they try
/// again what a queue or function did not take.
fn retry_policy() -> Map {
    Map::new().set("MaximumEventAgeInSeconds", 86_400u32).set("MaximumRetryAttempts", 185u16)
}

pub(super) fn with_retries(target: Map) -> Map {
    target.set("RetryPolicy", retry_policy()).set("DeadLetterConfig", Map::new().set("Arn", arn(UNDELIVERED)))
}

/// On a FIFO queue, the ticks of one schedule keep their order.
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
