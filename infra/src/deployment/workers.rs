//! Workers: processes that poll queues, for the functions whose queues are set to workers.

use lamplighter::QueueHost;

use super::{DeployedFunction, DeployedQueue, Deployment, Target};

/// The name of the workers among the functions. No function may use it.
pub(crate) const WORKERS: &str = "workers";

/// Returns whether a function's jobs from this queue run on workers.
pub(super) fn takes_from(function: &DeployedFunction, queue: &DeployedQueue) -> bool {
    match queue.host {
        QueueHost::Worker => function.name == WORKERS,
        _ => function.name == queue.function,
    }
}

/// Returns whether a function is deployed to Lambda: one whose queues all run on workers is not, unless an event calls
/// it.
pub(super) fn is_on_lambda(deployment: &Deployment, function: &DeployedFunction) -> bool {
    let mut queues = deployment.queues.iter().filter(|queue| queue.function == function.name).peekable();
    let only_workers = queues.peek().is_some() && queues.all(|queue| queue.host == QueueHost::Worker);
    let is_called = !function.events.is_empty()
        || deployment.schedules_of(&Target::Function(function.name.clone())).next().is_some();
    !only_workers || is_called || function.maintenance
}

/// Merges all functions with such a queue into one: a worker runs them in one process, with one role.
pub(super) fn merge(functions: &[DeployedFunction], queues: &[DeployedQueue]) -> Option<DeployedFunction> {
    let polled = |function: &&DeployedFunction| {
        queues.iter().any(|queue| queue.host == QueueHost::Worker && queue.function == function.name)
    };
    let mut all = functions.iter().filter(polled);
    let mut workers = all.next()?.clone();
    workers.name = WORKERS.into();
    workers.description = String::new();
    (workers.events, workers.maintenance, workers.dashboard) = (Vec::new(), false, false);
    for function in all {
        workers.memory_mb = workers.memory_mb.max(function.memory_mb);
        workers.timeout_secs = workers.timeout_secs.max(function.timeout_secs);
        workers.variables.extend(function.variables.clone());
        for setting in &function.settings {
            if !workers.settings.contains(setting) {
                workers.settings.push(setting.clone());
            }
        }
        workers.objects |= function.objects;
        workers.tracked |= function.tracked;
        workers.enqueues_to.extend(function.enqueues_to.iter().cloned());
        workers.schedules |= function.schedules;
        workers.manages_jobs |= function.manages_jobs;
        workers.has_limits |= function.has_limits;
        workers.wakes.extend(function.wakes.iter().cloned());
    }
    Some(workers)
}
