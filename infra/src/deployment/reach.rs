//! The queues that a function's handlers enqueue on, and whether a function consumes them.

use std::collections::BTreeSet;

use lamplighter::{Function, Queue};

use crate::problems::Problems;

/// Returns the queues that a function's handlers enqueue on, by name.
pub(super) fn queues(function: &Function) -> BTreeSet<String> {
    let of_jobs = function.spec().enqueues.values();
    of_jobs.chain(function.spec().enqueues_to.iter()).map(|queue| queue.name().to_owned()).collect()
}

pub(super) fn check(functions: &[Function], problems: &mut Problems) {
    for function in functions {
        for (job, queue) in &function.spec().enqueues {
            check_job(function, job, *queue, functions, problems);
        }
        for queue in &function.spec().enqueues_to {
            check_queue(function, *queue, functions, problems);
        }
    }
}

fn check_job(function: &Function, job: &str, queue: Queue, functions: &[Function], problems: &mut Problems) {
    let name = function.name();
    match functions.iter().find_map(|other| Some((other, other.route(job)?))) {
        None => problems.add(format!(
            "function {name:?}: it enqueues {job}, which no function performs: the job would wait forever; add a handler, \
             or remove its .enqueues::<…>()"
        )),
        Some((other, route)) if route.queue != queue => problems.add(format!(
            "function {name:?}: it enqueues {job} on queue {:?}, and function {:?} takes it from queue {:?}, or they \
             declare the queue differently; share one type",
            queue.name(),
            other.name(),
            route.queue.name()
        )),
        Some(_) => {}
    }
}

fn check_queue(function: &Function, queue: Queue, functions: &[Function], problems: &mut Problems) {
    let (name, wanted) = (function.name(), queue.name());
    let all = functions.iter().flat_map(|other| other.queues());
    match all.into_iter().find(|other| other.name() == wanted) {
        None => problems.add(format!(
            "function {name:?}: it enqueues on queue {wanted:?}, which no function consumes: the jobs would wait forever; \
             add a handler for a job on it, or remove its .enqueues_to(…)"
        )),
        Some(other) if other != queue => problems.add(format!(
            "function {name:?}: it declares queue {wanted:?} differently from the function that consumes it; share one \
             constant"
        )),
        Some(_) => {}
    }
}
