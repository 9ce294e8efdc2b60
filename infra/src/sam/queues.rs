//! Queues, their dead-letter queues, and their event source mappings.

use lamplighter::QueueHost;

use super::{
    encryption,
    events::EVENTS_SERVICE,
    names::{dead_letters_id, function_id, mapping_id, named, queue_id, schedule_id},
    policy, resource,
};
use crate::{
    deployment::{DeployedQueue, Deployment, Target, Timing, logical_name},
    node::{Map, Node, arn, reference},
};

pub(super) fn resources(deployment: &Deployment, queue: &DeployedQueue) -> Map {
    let (id, dead_id) = (queue_id(&queue.name), dead_letters_id(&queue.name));
    let suffix = if queue.fifo { ".fifo" } else { "" };
    let own = attributes(queue, suffix)
        // EventBridge and its Scheduler set no deduplication id, and deliver to a FIFO queue only if SQS derives one
        // from the body, which holds the job's id (Amazon EventBridge Scheduler API Reference, SqsParameters). A
        // sender's own id takes precedence.
        .set_some("ContentBasedDeduplication", queue.fifo.then_some(true))
        .set("VisibilityTimeout", queue.visibility_secs)
        .set("MessageRetentionPeriod", queue.retention_secs)
        .and(encryption::queue())
        .set(
            "RedrivePolicy",
            Map::new().set("deadLetterTargetArn", arn(&dead_id)).set("maxReceiveCount", queue.max_receives),
        );
    let dead = attributes(queue, &format!("-dlq{suffix}"))
        .set("MessageRetentionPeriod", queue.dead_letter_retention_secs)
        .and(encryption::queue());
    let logical = logical_name(&queue.name);
    Map::new()
        .set_noted(format!("{}: {}", queue.name, queue.jobs.join(", ")), &id, resource("AWS::SQS::Queue", own))
        .set(&dead_id, resource("AWS::SQS::Queue", dead))
        .and(mapping(queue, &id))
        .set(format!("{logical}QueuePolicy"), access(&id, rules(deployment, queue, &id)))
        .set(format!("{logical}DeadLettersPolicy"), access(&dead_id, None))
}

fn attributes(queue: &DeployedQueue, suffix: &str) -> Map {
    Map::new().set("QueueName", named(&queue.name, suffix)).set_some("FifoQueue", queue.fifo.then_some(true))
}

/// Returns the function's event source mapping. A queue that workers poll has none.
fn mapping(queue: &DeployedQueue, id: &str) -> Map {
    if queue.host == QueueHost::Worker {
        return Map::new();
    }
    let concurrency = queue.max_concurrency.map(|most| Map::new().set("MaximumConcurrency", most));
    let properties = Map::new()
        .set("FunctionName", reference(function_id(&queue.function)))
        .set("EventSourceArn", arn(id))
        .set("BatchSize", queue.batch_size)
        .set_some("MaximumBatchingWindowInSeconds", (queue.window_secs > 0).then_some(queue.window_secs))
        // Only a failed job is delivered again, not its whole batch.
        .set("FunctionResponseTypes", ["ReportBatchItemFailures"])
        .set("MetricsConfig", Map::new().set("Metrics", ["EventCount"]))
        .set_some("ScalingConfig", concurrency);
    Map::new().set(mapping_id(&queue.name), resource("AWS::Lambda::EventSourceMapping", properties))
}

/// Returns a queue's policy, for senders other than the account's own roles.
fn access(id: &str, rules: Option<Map>) -> Map {
    let statements = rules.into_iter().chain([policy::refuse_plain_text("sqs", arn(id))]).collect();
    let properties = Map::new().set("Queues", [reference(id)]).set("PolicyDocument", policy::document(statements));
    resource("AWS::SQS::QueuePolicy", properties)
}

/// Returns the statement with which only the rules that start jobs on this queue can send to it. Scheduler sends with a
/// role.
fn rules(deployment: &Deployment, queue: &DeployedQueue, id: &str) -> Option<Map> {
    let target = Target::Queue(queue.name.clone());
    let rules = deployment.schedules_of(&target).filter(|schedule| matches!(schedule.timing, Timing::Rule { .. }));
    let rules: Vec<Node> = rules.map(|schedule| arn(&schedule_id(schedule))).collect();
    if rules.is_empty() {
        return None;
    }
    let from = Map::new().set("ArnEquals", Map::new().set("aws:SourceArn", rules));
    let allowed = policy::allow_service(EVENTS_SERVICE, "sqs:SendMessage");
    Some(allowed.set("Resource", arn(id)).set("Condition", from))
}
