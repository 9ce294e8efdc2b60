//! What each function may do.

use super::{
    buckets::{ARGUMENTS, OBJECTS, PAYLOADS},
    dead_letters_id,
    events::UNDELIVERED,
    logs_arn, policy, queue_id, records, resource, scheduler,
};
use crate::{
    deployment::{DeployedFunction, Deployment},
    node::{Map, Node, arn},
};

/// A role that may do what the function does, and no more.
pub(super) fn of(deployment: &Deployment, function: &DeployedFunction) -> Map {
    let own: Vec<_> = deployment.queues_of(&function.name).collect();
    let queues = own.iter().map(|queue| arn(&queue_id(&queue.name))).collect();
    let dead_letters = own.iter().map(|queue| arn(&dead_letters_id(&queue.name))).collect();
    let sent_to: Vec<Node> = deployment.sent_to_by(function).map(|queue| arn(&queue_id(&queue.name))).collect();
    let mut statements = vec![
        policy::allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], vec![logs_arn(&function.name)]),
        policy::allow(
            "TakeMessages",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
            queues,
        ),
        policy::allow("BuryMessages", ["sqs:SendMessage"], dead_letters),
    ];
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
        statements.extend(housekeeping(deployment));
    }
    if function.objects {
        statements.push(policy::allow("UseObjects", ["s3:GetObject", "s3:PutObject"], vec![OBJECTS.arn("/*")]));
        // Without it, an object that is not there looks like one that must not be read.
        statements.push(policy::allow("ListObjects", ["s3:ListBucket"], vec![OBJECTS.arn("")]));
    }
    // AWS can limit these to no resource (Service Authorization Reference, "AWS X-Ray").
    statements.push(policy::allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], vec!["*".into()]));
    let trust = policy::document(vec![policy::allow_service("lambda.amazonaws.com", "sts:AssumeRole")]);
    let properties =
        Map::new().set("AssumeRolePolicyDocument", trust).set("Policies", [policy::inline(&function.name, statements)]);
    resource("AWS::IAM::Role", properties)
}

/// Records of jobs, and the events of their lives.
fn records(function: &DeployedFunction) -> Vec<Map> {
    let actions =
        ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:BatchGetItem"];
    let mut statements = vec![policy::allow("KeepRecords", actions, vec![arn(records::TABLE)])];
    if deletes_items(function) {
        statements.push(policy::allow("RemoveRecords", ["dynamodb:DeleteItem"], vec![arn(records::TABLE)]));
    }
    statements.push(policy::allow("ListRecords", ["dynamodb:Query"], vec![records::listing_arn()]));
    statements.push(policy::allow("TellEvents", ["events:PutEvents"], vec![records::bus_arn()]));
    statements
}

/// Whoever enqueues takes back the record of a job that could not be sent; who frees a lock deletes it; who cancels a
/// delayed job, or sends what is due, deletes that it is due.
fn deletes_items(function: &DeployedFunction) -> bool {
    function.locks || function.maintenance || function.manages_jobs || !function.enqueues_to.is_empty()
}

/// Arguments that are too large for a message. They go by themselves, so nobody need delete them.
fn payloads(function: &DeployedFunction) -> Vec<Map> {
    let arguments = || vec![PAYLOADS.arn(&format!("/{ARGUMENTS}*"))];
    let mut statements = vec![policy::allow("ReadArguments", ["s3:GetObject"], arguments())];
    if !function.enqueues_to.is_empty() {
        statements.push(policy::allow("KeepArguments", ["s3:PutObject"], arguments()));
    }
    statements
}

/// How much lies in each queue and dead-letter queue, and what is due. Whoever writes to the table writes to that index
/// too, but nobody else need read it.
fn housekeeping(deployment: &Deployment) -> Vec<Map> {
    let ids = deployment.queues.iter().flat_map(|queue| [queue_id(&queue.name), dead_letters_id(&queue.name)]);
    let all: Vec<Node> = ids.map(|id| arn(&id)).collect();
    vec![
        policy::allow("WatchQueues", ["sqs:GetQueueAttributes"], all),
        policy::allow("FindWhatIsDue", ["dynamodb:Query"], vec![records::due_arn()]),
    ]
}
