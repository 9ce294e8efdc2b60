//! The size of a function's environment variables.

use super::{DeployedFunction, DeployedQueue, Deployment, MAX_STACK_NAME, UNDELIVERED_QUEUE, variables};
use crate::problems::Problems;

/// The limit for all variables of a function (AWS Lambda Developer Guide, "Lambda quotas").
const MAX_BYTES: usize = 4096;

/// `https://sqs.cn-northwest-1.amazonaws.com.cn/123456789012/`: no other region has a longer one today.
const URL_BYTES: usize = 58;
/// The longest name of a bucket.
const BUCKET_BYTES: usize = 63;
/// `arn:aws-us-gov:sqs:ap-southeast-1:123456789012:`, and the like for other services.
const ARN_BYTES: usize = 47;
/// A table's name: CloudFormation appends to the stack's name, for instance `-Jobs-1ABCDEFGHIJKL`.
const TABLE_BYTES: usize = MAX_STACK_NAME + 19;
/// `arn:aws-us-gov:cloudformation:ap-southeast-1:123456789012:stack/NAME/` and a UUID.
const STACK_ID_BYTES: usize = 66 + MAX_STACK_NAME + 36;
/// The longest name of a role (IAM User Guide, "IAM and AWS STS quotas"), with `role/`.
const ROLE_BYTES: usize = 5 + 64;

pub(super) fn check(deployment: &Deployment, problems: &mut Problems) {
    for function in &deployment.functions {
        let bytes = bytes(deployment, function);
        if bytes > MAX_BYTES {
            problems.add(format!(
                "function {:?}: its environment variables may take {bytes} bytes, and Lambda allows {MAX_BYTES}; the \
                 URLs of {} queues use most of it: deploy some functions as a separate stack",
                function.name,
                deployment.queues.len()
            ));
        }
    }
}

/// Returns the maximum size of a function's variables. For settings only the default's length is known.
fn bytes(deployment: &Deployment, function: &DeployedFunction) -> usize {
    let queues: usize = deployment.queues.iter().map(url_map_bytes).sum();
    let objects = if function.objects { variables::OBJECTS.len() + "s3://".len() + BUCKET_BYTES } else { 0 };
    let records = if function.tracked { records_bytes() } else { 0 };
    let schedules = if deployment.delays_by_schedules(function) { schedules_bytes() } else { 0 };
    let functions = if function.dashboard { functions_bytes(deployment) } else { 0 };
    let own: usize = function.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    let settings: usize = function.settings.iter().map(|one| one.variable.len() + one.default.len()).sum();
    let metrics = variables::METRICS.len() + "cloudwatch".len();
    variables::QUEUES.len() + queues + metrics + objects + records + schedules + functions + own + settings
}

/// Returns the size of the variables for records, events and large arguments.
fn records_bytes() -> usize {
    sum(&[
        (variables::TABLE, TABLE_BYTES),
        (variables::EVENT_BUS, MAX_STACK_NAME),
        (variables::PAYLOADS, BUCKET_BYTES),
        (variables::WARM_UP, 1),
    ])
}

/// Returns the size of the dashboard's own variables: the names of all other functions, and the stack's id.
fn functions_bytes(deployment: &Deployment) -> usize {
    let names =
        deployment.functions.iter().map(|function| MAX_STACK_NAME + "-".len() + function.name.len() + ",".len());
    variables::FUNCTIONS.len() + names.sum::<usize>() + lamplighter::DashboardFunction::FORMS.len() + STACK_ID_BYTES
}

/// Returns the size of the variables for schedules.
fn schedules_bytes() -> usize {
    sum(&[
        (variables::SCHEDULE_GROUP, MAX_STACK_NAME),
        (variables::SCHEDULER_ROLE, ARN_BYTES + ROLE_BYTES),
        (variables::UNDELIVERED, ARN_BYTES + MAX_STACK_NAME + "-".len() + UNDELIVERED_QUEUE.len()),
    ])
}

fn sum(variables: &[(&str, usize)]) -> usize {
    variables.iter().map(|(name, value)| name.len() + value).sum()
}

/// Returns the size of a queue's part of the map of queues.
fn url_map_bytes(queue: &DeployedQueue) -> usize {
    let fifo = if queue.fifo { ".fifo".len() } else { 0 };
    let url = URL_BYTES + MAX_STACK_NAME + "-".len() + queue.name.len() + fifo;
    let dead = url + "-dlq".len();
    r#""":{"url":"","dlq":""}, "#.len() + queue.name.len() + url + dead
}
