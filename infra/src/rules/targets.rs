//! Targets of rules: EventBridge silently drops events for targets that it may not or cannot call.

use serde_json::Value;

use super::{
    queues::QUEUE,
    resources::{Resource, Resources, all, allowing, referred},
};
use crate::problems::Problems;

const EVENTS: &str = "events.amazonaws.com";

pub(super) fn examine(resources: &Resources<'_>, problems: &mut Problems) {
    for rule in resources.of_type("AWS::Events::Rule") {
        for target in all(&rule.properties["Targets"]) {
            reach(resources, rule, &target["Arn"], problems);
            let dead = &target["DeadLetterConfig"]["Arn"];
            if dead.is_null() {
                problems
                    .add(format!("{}: undelivered events would be lost; give the target a DeadLetterConfig", rule.id));
            } else {
                reach(resources, rule, dead, problems);
            }
        }
    }
}

/// EventBridge uses no role for queues and functions: the target's own policy must allow the rule.
fn reach(resources: &Resources<'_>, rule: Resource<'_>, target: &Value, problems: &mut Problems) {
    let (Some(id), queue) = (referred(target), resources.referred(QUEUE, target)) else { return };
    let allowed = match queue {
        Some(queue) => queue_allows(resources, queue, rule),
        None => function_allows(resources, id, rule),
    };
    if !allowed {
        let lacks = if queue.is_some() { "AWS::SQS::QueuePolicy" } else { "AWS::Lambda::Permission" };
        problems.add(format!(
            "{} may not send to {id}: its events would be silently dropped; add an {lacks} that allows {EVENTS} with the \
             rule's ARN",
            rule.id
        ));
    }
}

fn queue_allows(resources: &Resources<'_>, queue: Resource<'_>, rule: Resource<'_>) -> bool {
    let policies = resources.of_type("AWS::SQS::QueuePolicy");
    policies.filter(|policy| all(&policy.properties["Queues"]).iter().any(|one| referred(one) == Some(queue.id))).any(
        |policy| {
            allowing(&policy.properties["PolicyDocument"]).any(|statement| {
                let sources = all(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
                statement["Principal"]["Service"] == EVENTS
                    && all(&statement["Action"]).iter().any(|action| action == "sqs:SendMessage")
                    && sources.iter().any(|source| referred(source) == Some(rule.id))
            })
        },
    )
}

fn function_allows(resources: &Resources<'_>, function: &str, rule: Resource<'_>) -> bool {
    resources.of_type("AWS::Lambda::Permission").any(|permission| {
        let properties = permission.properties;
        referred(&properties["FunctionName"]) == Some(function)
            && referred(&properties["SourceArn"]) == Some(rule.id)
            && properties["Principal"] == EVENTS
            && properties["Action"] == "lambda:InvokeFunction"
    })
}
