//! The role of each function.

use super::{
    buckets::{ARGUMENTS, OBJECTS, PAYLOADS},
    dashboard_function,
    names::{TABLE, UNDELIVERED, dead_letters_id, logs_arn, queue_id},
    policy, records, resource, scheduler,
};
use crate::{
    deployment::{DeployedFunction, Deployment},
    node::{Map, Node, arn},
};

/// Returns a role with exactly the permissions that the function needs.
pub(super) fn of(deployment: &Deployment, function: &DeployedFunction) -> Map {
    let logs =
        policy::allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], vec![logs_arn(&function.name)]);
    let mut statements = vec![logs];
    statements.extend(jobs(deployment, function));
    // AWS cannot limit these to a resource (Service Authorization Reference, "AWS X-Ray").
    statements.push(policy::allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], vec!["*".into()]));
    let trust = policy::document(vec![policy::allow_service("lambda.amazonaws.com", "sts:AssumeRole")]);
    let properties =
        Map::new().set("AssumeRolePolicyDocument", trust).set("Policies", [policy::inline(&function.name, statements)]);
    resource("AWS::IAM::Role", properties)
}

/// Returns the permissions that its jobs need, on Lambda and on workers.
pub(super) fn jobs(deployment: &Deployment, function: &DeployedFunction) -> Vec<Map> {
    let own: Vec<_> = deployment.queues_of(function).collect();
    let queues = own.iter().map(|queue| arn(&queue_id(&queue.name))).collect();
    let dead_letters = own.iter().map(|queue| arn(&dead_letters_id(&queue.name))).collect();
    let sent_to: Vec<Node> = deployment.sent_to_by(function).map(|queue| arn(&queue_id(&queue.name))).collect();
    let mut statements = Vec::new();
    // The dashboard has no queue, and a statement no empty list.
    if !own.is_empty() {
        statements.push(policy::allow(
            "TakeMessages",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
            queues,
        ));
        statements.push(policy::allow("BuryMessages", ["sqs:SendMessage"], dead_letters));
    }
    let others = function.wakes.iter().filter(|queue| own.iter().all(|own| own.name != **queue));
    let others: Vec<Node> = others.map(|queue| arn(&queue_id(queue))).collect();
    if !others.is_empty() {
        statements.push(policy::allow("WakeJobs", ["sqs:ChangeMessageVisibility"], others));
    }
    if !sent_to.is_empty() {
        statements.push(policy::allow("EnqueueJobs", ["sqs:SendMessage"], sent_to));
    }
    if deployment.is_called_by_events(function) {
        statements.push(policy::allow("KeepFailedEvents", ["sqs:SendMessage"], vec![arn(UNDELIVERED)]));
    }
    if function.tracked {
        statements.extend(records(function));
        statements.extend(payloads(function));
    }
    if function.schedules {
        statements.extend(scheduler::schedules(deployment));
    } else if deployment.delays_by_schedules(function) {
        statements.extend(scheduler::delays(function));
    }
    if function.maintenance {
        statements.extend(maintenance(deployment));
    }
    if function.dashboard {
        statements.extend(dashboard_function::rights(deployment));
    }
    if function.objects {
        statements.push(policy::allow("UseObjects", ["s3:GetObject", "s3:PutObject"], vec![OBJECTS.arn("/*")]));
        // Without it, S3 reports a missing object as a denied read.
        statements.push(policy::allow("ListObjects", ["s3:ListBucket"], vec![OBJECTS.arn("")]));
    }
    statements
}

/// Returns the permissions for records of jobs, and for their lifecycle events.
fn records(function: &DeployedFunction) -> Vec<Map> {
    let actions =
        ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:BatchGetItem"];
    let mut statements = vec![policy::allow("KeepRecords", actions, vec![arn(TABLE)])];
    if deletes_items(function) {
        statements.push(policy::allow("RemoveRecords", ["dynamodb:DeleteItem"], vec![arn(TABLE)]));
    }
    statements.push(policy::allow("ListRecords", ["dynamodb:Query"], vec![records::listing_arn()]));
    statements.push(policy::allow("TellEvents", ["events:PutEvents"], vec![records::bus_arn()]));
    statements
}

/// Returns whether a function deletes items: the record of a job that could not be sent, a place in a line, or the due entry of a
/// job that is cancelled or sent.
fn deletes_items(function: &DeployedFunction) -> bool {
    function.has_limits || function.maintenance || function.manages_jobs || !function.enqueues_to.is_empty()
}

/// Returns the permissions for arguments that are too large for a message. They expire, so no function needs to delete
/// them.
fn payloads(function: &DeployedFunction) -> Vec<Map> {
    let arguments = || vec![PAYLOADS.arn(&format!("/{ARGUMENTS}*"))];
    let mut statements = vec![policy::allow("ReadArguments", ["s3:GetObject"], arguments())];
    if !function.enqueues_to.is_empty() || function.dashboard {
        statements.push(policy::allow("KeepArguments", ["s3:PutObject"], arguments()));
    }
    statements
}

/// Returns the permissions for the depths of all queues and dead-letter queues, and for due jobs. Every writer of the
/// table also writes that index, but only maintenance reads it.
fn maintenance(deployment: &Deployment) -> Vec<Map> {
    let ids = deployment.queues.iter().flat_map(|queue| [queue_id(&queue.name), dead_letters_id(&queue.name)]);
    let all: Vec<Node> = ids.map(|id| arn(&id)).collect();
    vec![
        policy::allow("WatchQueues", ["sqs:GetQueueAttributes"], all),
        policy::allow("FindWhatIsDue", ["dynamodb:Query"], vec![records::due_arn()]),
    ]
}
