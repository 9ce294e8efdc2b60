//! EventBridge: rules that start jobs and call functions, and the queue for undelivered events.

use super::{
    encryption,
    names::{UNDELIVERED, events_rule_id, function_id, named, queue_id, schedule_id},
    policy, records, resource, scheduler,
    target::{about, group, state, with_retries},
};
use crate::{
    deployment::{DeployedFunction, DeployedSchedule, Deployment, EventPattern, Target, Timing, UNDELIVERED_QUEUE},
    node::{Map, Node, arn, reference},
};

pub(super) const EVENTS_SERVICE: &str = "events.amazonaws.com";
/// Fourteen days, the maximum.
const RETENTION_SECS: u32 = 14 * 86_400;

pub(super) fn resources(deployment: &Deployment) -> Map {
    let mut resources = Map::new();
    let mut rules = Vec::new();
    for schedule in &deployment.schedules {
        let id = schedule_id(schedule);
        match &schedule.timing {
            Timing::Rule { expression } => {
                resources = resources.set(&id, rule(schedule, expression));
                if let Target::Function(function) = &schedule.target {
                    resources = resources.and(permission(&id, function));
                }
                rules.push(arn(&id));
            }
            Timing::Scheduler { expression, timezone } => {
                resources = resources.set(&id, scheduler::schedule(schedule, expression, timezone));
            }
        }
    }
    for function in deployment.functions.iter().filter(|function| !function.events.is_empty()) {
        let id = events_rule_id(function);
        resources = resources.set(&id, events_rule(function)).and(permission(&id, &function.name));
        rules.push(arn(&id));
    }
    if deployment.keeps_records() {
        rules.push(records::bus_arn());
    }
    resources.and(dead_letters(rules))
}

/// Returns a rule in UTC. The input *is* a message, built from the tick's time.
fn rule(schedule: &DeployedSchedule, expression: &str) -> Map {
    let target = match &schedule.target {
        Target::Queue(queue) => {
            let transformer = Map::new()
                .set("InputPathsMap", Map::new().set("time", "$.time"))
                .set("InputTemplate", schedule.message("<time>"));
            Map::new()
                .set("Id", "queue")
                .set("Arn", arn(&queue_id(queue)))
                .set_some("SqsParameters", group(schedule))
                .set("InputTransformer", transformer)
        }
        Target::Function(function) => Map::new().set("Id", "function").set("Arn", arn(&function_id(function))),
    };
    let properties = Map::new()
        .set("Name", named(&schedule.name, ""))
        .set("Description", about(schedule))
        .set("ScheduleExpression", expression)
        .set("State", state(schedule))
        .set("Targets", [with_retries(target)]);
    resource("AWS::Events::Rule", properties)
}

/// Returns one rule for all events of a function: with several, an event that matches two of them would call it twice.
fn events_rule(function: &DeployedFunction) -> Map {
    let pattern = |pattern: &EventPattern| {
        let one = |text: &Option<String>| text.clone().map(|text| vec![text]);
        Map::new().set_some("source", one(&pattern.source)).set_some("detail-type", one(&pattern.detail_type))
    };
    let pattern = match function.events.as_slice() {
        [one] => pattern(one),
        all => Map::new().set("$or", all.iter().map(pattern).collect::<Vec<_>>()),
    };
    let target = Map::new().set("Id", "function").set("Arn", arn(&function_id(&function.name)));
    let properties = Map::new()
        .set("Name", named(&function.name, "-events"))
        .set("Description", format!("Events that function {} turns into jobs", function.name))
        .set("EventPattern", pattern)
        .set("State", "ENABLED")
        .set("Targets", [with_retries(target)]);
    resource("AWS::Events::Rule", properties)
}

fn permission(rule: &str, function: &str) -> Map {
    let properties = Map::new()
        .set("Action", "lambda:InvokeFunction")
        .set("FunctionName", reference(function_id(function)))
        .set("Principal", EVENTS_SERVICE)
        .set("SourceArn", arn(rule));
    Map::new().set(format!("{rule}Permission"), resource("AWS::Lambda::Permission", properties))
}

/// Returns the queue for undelivered events, and the permission without which rules and the bus would silently drop
/// them.
fn dead_letters(sources: Vec<Node>) -> Map {
    let queue = Map::new()
        .set("QueueName", named(UNDELIVERED_QUEUE, ""))
        .set("MessageRetentionPeriod", RETENTION_SECS)
        .and(encryption::queue());
    let mut statements = Vec::new();
    if !sources.is_empty() {
        let from = Map::new().set("ArnEquals", Map::new().set("aws:SourceArn", sources));
        let allowed = policy::allow_service(EVENTS_SERVICE, "sqs:SendMessage");
        statements.push(allowed.set("Resource", arn(UNDELIVERED)).set("Condition", from));
    }
    statements.push(policy::refuse_plain_text("sqs", arn(UNDELIVERED)));
    let properties =
        Map::new().set("Queues", [reference(UNDELIVERED)]).set("PolicyDocument", policy::document(statements));
    Map::new()
        .set_noted(
            "Events that EventBridge could not deliver, or that a function failed on",
            UNDELIVERED,
            resource("AWS::SQS::Queue", queue),
        )
        .set(format!("{UNDELIVERED}Policy"), resource("AWS::SQS::QueuePolicy", properties))
}
