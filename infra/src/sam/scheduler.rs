//! EventBridge Scheduler: schedules in a time zone or for one moment, and the group in which functions create more.

use lamplighter::schedule::EventBridge;
use lamplighter_aws::OneTime;

use super::{
    names::{SCHEDULE_GROUP, SCHEDULER_ROLE, UNDELIVERED, function_id, queue_id},
    policy, resource,
    target::{about, group, state, with_retries},
};
use crate::{
    deployment::{DeployedFunction, DeployedSchedule, Deployment, Target, Timing},
    node::{Map, Node, arn, reference, sub},
};

const SERVICE: &str = "scheduler.amazonaws.com";

pub(super) fn schedule(schedule: &DeployedSchedule, expression: &str, timezone: &str) -> Map {
    let target = match &schedule.target {
        Target::Queue(queue) => arn(&queue_id(queue)),
        Target::Function(function) => arn(&function_id(function)),
    };
    let target = Map::new()
        .set("Arn", target)
        .set("RoleArn", arn(SCHEDULER_ROLE))
        .set_some("SqsParameters", group(schedule))
        .set("Input", schedule.message("<aws.scheduler.scheduled-time>"));
    let properties = Map::new()
        .set("Name", format!("{}{}", EventBridge::DEPLOYED, schedule.name))
        .set("GroupName", reference(SCHEDULE_GROUP))
        .set("Description", about(schedule))
        .set("ScheduleExpression", expression)
        .set("ScheduleExpressionTimezone", timezone)
        .set("FlexibleTimeWindow", Map::new().set("Mode", "OFF"))
        .set("State", state(schedule))
        .set("Target", with_retries(target));
    resource("AWS::Scheduler::Schedule", properties)
}

/// Returns the group, and the role that its schedules assume to send: to any queue, since a job of any queue may be
/// delayed. No other group's schedules can assume it.
pub(super) fn resources(deployment: &Deployment) -> Map {
    let mut queues: Vec<Node> = deployment.queues.iter().map(|queue| arn(&queue_id(&queue.name))).collect();
    queues.push(arn(UNDELIVERED));
    let of_this_group = Map::new().set(
        "StringEquals",
        Map::new().set("aws:SourceAccount", reference("AWS::AccountId")).set(
            "aws:SourceArn",
            sub("arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/${AWS::StackName}"),
        ),
    );
    let trust = policy::allow_service(SERVICE, "sts:AssumeRole").set("Condition", of_this_group);
    let role = Map::new()
        .set("AssumeRolePolicyDocument", policy::document(vec![trust]))
        .set("Policies", [policy::inline("schedules", vec![policy::allow("StartJobs", ["sqs:SendMessage"], queues)])]);
    let group = Map::new().set("Name", reference("AWS::StackName"));
    Map::new()
        .set_noted(
            "Schedules in a time zone or for one moment, and those created at run time",
            SCHEDULE_GROUP,
            resource("AWS::Scheduler::ScheduleGroup", group),
        )
        .set(SCHEDULER_ROLE, resource("AWS::IAM::Role", role))
}

/// Returns the permissions of a function whose handlers create schedules, and pause deployed ones.
pub(super) fn schedules(deployment: &Deployment) -> Vec<Map> {
    let mut statements = vec![policy::allow(
        "KeepSchedules",
        ["scheduler:CreateSchedule", "scheduler:GetSchedule", "scheduler:UpdateSchedule", "scheduler:DeleteSchedule"],
        vec![in_group("*")],
    )];
    // One by one: a pattern with the stack's name would also match another stack whose name begins with this one's.
    let rules = deployment.schedules.iter().filter(|schedule| matches!(schedule.timing, Timing::Rule { .. }));
    let rules: Vec<Node> = rules.map(rule_arn).collect();
    if !rules.is_empty() {
        let actions = ["events:ListTargetsByRule", "events:EnableRule", "events:DisableRule"];
        statements.push(policy::allow("PauseRules", actions, rules));
    }
    // AWS cannot limit these to a resource (Service Authorization Reference, "Amazon EventBridge Scheduler" and "Amazon
    // EventBridge").
    statements.push(policy::allow("ListSchedules", ["scheduler:ListSchedules", "events:ListRules"], vec!["*".into()]));
    statements.push(let_schedules_send());
    statements
}

/// Returns the permissions of a function that delays jobs and creates no other schedules. One that cancels jobs deletes
/// their schedules.
pub(super) fn delays(function: &DeployedFunction) -> Vec<Map> {
    let delays = [OneTime::DELAY, OneTime::RETRY].map(|kind| in_group(&format!("{kind}-*")));
    let mut statements = vec![policy::allow("DelayJobs", ["scheduler:CreateSchedule"], delays.into())];
    if function.manages_jobs {
        let delay = vec![in_group(&format!("{}-*", OneTime::DELAY))];
        statements.push(policy::allow("TakeDelaysBack", ["scheduler:DeleteSchedule"], delay));
    }
    statements.push(let_schedules_send());
    statements
}

fn let_schedules_send() -> Map {
    let to_scheduler = Map::new().set("StringEquals", Map::new().set("iam:PassedToService", SERVICE));
    policy::allow("LetSchedulesSend", ["iam:PassRole"], vec![arn(SCHEDULER_ROLE)]).set("Condition", to_scheduler)
}

/// Returns the ARN of schedules in the stack's group.
fn in_group(name: &str) -> Node {
    sub(format!(
        "arn:${{AWS::Partition}}:scheduler:${{AWS::Region}}:${{AWS::AccountId}}:schedule/${{{SCHEDULE_GROUP}}}/{name}"
    ))
}

/// Builds the ARN from the rule's name, since a reference could be circular: the rule may call a function whose role
/// names the rule.
fn rule_arn(schedule: &DeployedSchedule) -> Node {
    sub(format!(
        "arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/${{AWS::StackName}}-{}",
        schedule.name
    ))
}
