//! Environment variables: how much room a function's take.

use super::{DeployedFunction, DeployedQueue, Deployment, MAX_STACK_NAME};
use crate::problems::Problems;

/// What all variables of a function may take together (AWS Lambda Developer Guide, "Lambda quotas").
const MAX_BYTES: usize = 4096;

/// `https://sqs.ap-southeast-1.amazonaws.com/123456789012/`: no region that is called longer is known today.
const URL_BYTES: usize = 55;
/// The longest name of a bucket, behind `s3://`.
const BUCKET_BYTES: usize = 5 + 63;

pub(super) fn check(deployment: &Deployment, problems: &mut Problems) {
    for function in &deployment.functions {
        let bytes = bytes(function, &deployment.queues);
        if bytes > MAX_BYTES {
            problems.add(format!(
                "function {:?}: its environment variables may take {bytes} bytes, and Lambda allows {MAX_BYTES}; the \
                 URLs of {} queues are the most of it: deploy some functions as a stack of their own",
                function.name,
                deployment.queues.len()
            ));
        }
    }
}

/// What a function's variables take at most. Of settings only the default's length is known.
fn bytes(function: &DeployedFunction, queues: &[DeployedQueue]) -> usize {
    let queues: usize = queues.iter().map(url_map_bytes).sum();
    let objects = if function.objects { "LAMPLIGHTER_OBJECTS".len() + BUCKET_BYTES } else { 0 };
    let variables: usize = function.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
    let settings: usize = function.settings.iter().map(|one| one.variable.len() + one.default.len()).sum();
    "LAMPLIGHTER_QUEUES".len() + queues + objects + variables + settings
}

/// A queue's part of the map of queues.
fn url_map_bytes(queue: &DeployedQueue) -> usize {
    let fifo = if queue.fifo { ".fifo".len() } else { 0 };
    let url = URL_BYTES + MAX_STACK_NAME + "-".len() + queue.name.len() + fifo;
    let dead = url + "-dlq".len();
    r#""":{"url":"","dlq":""}, "#.len() + queue.name.len() + url + dead
}
