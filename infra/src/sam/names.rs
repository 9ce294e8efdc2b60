//! Names of resources in the template, and on AWS.

use crate::{
    deployment::{DeployedFunction, DeployedSchedule, Timing, logical_name},
    node::{Node, attribute, sub},
};

/// The queue for events that EventBridge or Lambda could not deliver.
pub(crate) const UNDELIVERED: &str = "EventsNotDelivered";
/// The table of records.
pub(crate) const TABLE: &str = "Jobs";
/// The bus for lifecycle events of jobs.
pub(crate) const BUS: &str = "Bus";
/// The group of schedules.
pub(crate) const SCHEDULE_GROUP: &str = "ScheduleGroup";
/// The role that EventBridge Scheduler assumes to send.
pub(crate) const SCHEDULER_ROLE: &str = "ScheduleGroupAccess";

/// Returns a name on AWS: the stack's name is its prefix.
pub(super) fn named(name: &str, suffix: &str) -> Node {
    sub(format!("${{AWS::StackName}}-{name}{suffix}"))
}

pub(crate) fn function_id(name: &str) -> String {
    format!("{}Function", logical_name(name))
}

pub(crate) fn role_id(name: &str) -> String {
    format!("{}Role", logical_name(name))
}

pub(super) fn logs_id(name: &str) -> String {
    format!("{}Logs", logical_name(name))
}

pub(crate) fn queue_id(name: &str) -> String {
    format!("{}Queue", logical_name(name))
}

pub(crate) fn dead_letters_id(name: &str) -> String {
    format!("{}DeadLetters", logical_name(name))
}

pub(crate) fn mapping_id(queue: &str) -> String {
    format!("{}Mapping", logical_name(queue))
}

pub(crate) fn schedule_id(schedule: &DeployedSchedule) -> String {
    let kind = match schedule.timing {
        Timing::Rule { .. } => "Rule",
        Timing::Scheduler { .. } => "Schedule",
    };
    logical_name(&schedule.name) + kind
}

pub(crate) fn events_rule_id(function: &DeployedFunction) -> String {
    format!("{}Events", logical_name(&function.name))
}

pub(super) fn logs_arn(function: &str) -> Node {
    attribute(&logs_id(function), "Arn")
}
