//! Event source mappings: delivery and redelivery of messages to functions.

use serde_json::Value;

use super::{
    queues::{DEFAULT_VISIBILITY, QUEUE},
    resources::{Resource, Resources},
};
use crate::problems::Problems;

/// Lambda's default timeout (AWS Lambda API Reference, CreateFunction).
const DEFAULT_TIMEOUT: u64 = 3;
/// AWS Lambda API Reference, CreateEventSourceMapping.
const DEFAULT_BATCH: u64 = 10;
/// AWS Lambda Developer Guide, "Creating and configuring an Amazon SQS event source mapping": the minimum for
/// `maxReceiveCount`.
const LEAST_RECEIVES: u64 = 5;

pub(super) fn examine(resources: &Resources<'_>, problems: &mut Problems) {
    for mapping in resources.of_type("AWS::Lambda::EventSourceMapping") {
        let Some(queue) = resources.referred(QUEUE, &mapping.properties["EventSourceArn"]) else { continue };
        if let Some(function) = resources.referred("AWS::Serverless::Function", &mapping.properties["FunctionName"]) {
            visibility(queue, function, problems);
        }
        redrive(queue, problems);
        batches(mapping, queue, problems);
        answers(mapping, problems);
    }
}

/// Lambda refuses such a mapping; if the function's timeout grows later, a message is delivered again while it is
/// processed.
fn visibility(queue: Resource<'_>, function: Resource<'_>, problems: &mut Problems) {
    let hidden = queue.number("VisibilityTimeout", DEFAULT_VISIBILITY);
    let timeout = function.number("Timeout", DEFAULT_TIMEOUT);
    if hidden < timeout {
        problems.add(format!(
            "{} hides a message for {hidden} s, and {} may take {timeout} s: it would be delivered again while it is \
             processed; make it six times the timeout, {}, plus the window",
            queue.id,
            function.id,
            6 * timeout
        ));
    }
}

fn redrive(queue: Resource<'_>, problems: &mut Problems) {
    let redrive = &queue.properties["RedrivePolicy"];
    if redrive["deadLetterTargetArn"].is_null() {
        problems.add(format!(
            "{} has no dead-letter queue: a failing message would be delivered until it expires; give the queue a \
             RedrivePolicy",
            queue.id
        ));
        return;
    }
    if let Some(receives) = redrive["maxReceiveCount"].as_u64().filter(|receives| *receives < LEAST_RECEIVES) {
        problems.add(format!(
            "{}: a message is dead-lettered after {receives} receives, and a throttled function uses up receives without \
             running; make maxReceiveCount at least {LEAST_RECEIVES}",
            queue.id
        ));
    }
}

fn batches(mapping: Resource<'_>, queue: Resource<'_>, problems: &mut Problems) {
    let fifo = queue.properties["FifoQueue"] == true;
    let batch = mapping.number("BatchSize", DEFAULT_BATCH);
    let window = mapping.number("MaximumBatchingWindowInSeconds", 0);
    let most = if fifo { 10 } else { 10_000 };
    if !(1..=most).contains(&batch) {
        problems.add(format!("{}: a batch of {} has 1 to {most} messages, not {batch}", mapping.id, queue.id));
    }
    if batch > 10 && window == 0 && !fifo {
        problems.add(format!("{}: a batch above 10 messages needs a window of at least a second", mapping.id));
    }
    if window > 0 && fifo {
        problems.add(format!("{}: {} is a FIFO queue, which supports no window", mapping.id, queue.id));
    }
    let at_once = mapping.properties["ScalingConfig"]["MaximumConcurrency"].as_u64();
    if let Some(at_once) = at_once.filter(|at_once| !(2..=1000).contains(at_once)) {
        problems.add(format!("{}: MaximumConcurrency is 2 to 1000, not {at_once}", mapping.id));
    }
}

fn answers(mapping: Resource<'_>, problems: &mut Problems) {
    let types = &mapping.properties["FunctionResponseTypes"];
    if !types.as_array().is_some_and(|types| types.iter().any(|kind| kind == "ReportBatchItemFailures")) {
        problems.add(format!(
            "{}: without ReportBatchItemFailures, one failed job returns the whole batch to the queue; add it to \
             FunctionResponseTypes",
            mapping.id
        ));
    }
    if !matches!(mapping.properties["FilterCriteria"], Value::Null) {
        problems.add(format!(
            "{}: a filter deletes each message that does not match; remove FilterCriteria, and use another queue for \
             other jobs",
            mapping.id
        ));
    }
}
