//! The contract between the handler and the files that configure its host: names and times. The infrastructure is
//! derived from it, so that the two cannot differ.

use std::time::Duration;

use lamplighter::{Function, Queue};

/// The name of the binding in a function that a queue triggers.
pub const QUEUE_BINDING: &str = "job";
/// The name of the binding in a function that a timer triggers.
pub const TIMER_BINDING: &str = "timer";

/// The environment variable with the address of the queue service.
pub const QUEUE_SERVICE_VARIABLE: &str = "LAMPLIGHTER_QUEUE_SERVICE";

/// The largest body of a message in bytes: its text, which is base64, may have 64 KiB (Azure Storage REST API, "Put
/// Message").
pub(crate) const MAX_BODY_BYTES: usize = 48 << 10;
/// Room for the additions when a message is sent again: its id, its attempts and its receives.
const ROOM: usize = 256;
/// The largest message of a job in bytes, before base64: a little less than 48 KiB, so that it can always be sent
/// again.
pub const MAX_MESSAGE_BYTES: usize = MAX_BODY_BYTES - ROOM;
/// The longest delay of a message: it is hidden for that time, and 7 days are the longest visibility time-out (Azure
/// Storage REST API, "Put Message").
pub const MAX_DELAY: Duration = Duration::from_secs(7 * 24 * 3600);

/// The number of receives without success after which the Functions host moves a message to its poison queue: the
/// backstop for jobs that end their process. It is the default of the Azure Queue trigger's `maxDequeueCount`.
///
/// Retries of a failed job do not count here: each is a message of its own.
pub const MAX_DEQUEUE_COUNT: u32 = 5;
/// How long the Functions host hides a message whose invocation failed. An invocation fails if the result of its job
/// could not be stored, mostly because the storage is unavailable: immediate receives would be used up within a second.
pub const FAILED_INVOCATION_DELAY: Duration = Duration::from_secs(30);

/// The time of an invocation in addition to its function's timeout, to send the result of its job.
const SETTLING: Duration = Duration::from_secs(20);
/// The host's time-out in addition to the longest invocation. When that time-out is reached, the host ends the process,
/// and with it all other jobs.
const HOST_MARGIN: Duration = Duration::from_secs(15);

/// The suffix of a poison queue (Azure Functions, "Azure Queue storage trigger", section "Poison messages").
const POISON: &str = "-poison";
/// The longest name of a queue: 63 characters are Azure's limit (Azure Storage REST API, "Naming queues and metadata"),
/// and `-poison` must still fit after it.
pub const MAX_QUEUE_NAME: usize = 63 - POISON.len();

/// Returns the name of the Azure function that runs a queue's jobs: its folder, and the path at which the handler is
/// called.
#[must_use]
pub fn queue_function(queue: &str) -> String {
    format!("queue-{queue}")
}

/// Returns the name of the Azure function that a schedule's timer triggers.
#[must_use]
pub fn timer_function(schedule: &str) -> String {
    format!("timer-{schedule}")
}

/// Returns the name of a queue's poison queue.
#[must_use]
pub fn poison_queue(queue: &str) -> String {
    format!("{queue}{POISON}")
}

/// Returns the time within which an invocation of a function is answered.
#[must_use]
pub fn invocation_timeout<S>(function: &Function<S>) -> Duration {
    function.timeout() + SETTLING
}

/// Returns `functionTimeout` of `host.json`: longer than any invocation of these functions takes.
#[must_use]
pub fn host_timeout(functions: &[Function]) -> Duration {
    functions.iter().map(invocation_timeout).max().unwrap_or(SETTLING) + HOST_MARGIN
}

/// Returns why Azure Storage cannot have this queue, each as one sentence; empty if it can.
fn queue_problems(queue: &Queue) -> Vec<String> {
    let mut problems = Vec::new();
    let name = queue.name();
    if !is_queue_name(name) {
        problems.push(format!(
            "queue {name:?}: on Azure a name is 3 to {MAX_QUEUE_NAME} of a-z 0-9 -, begins and ends with a letter or digit, \
             and has no two hyphens in a row; rename it"
        ));
    }
    if queue.is_fifo() {
        problems.push(format!(
            "queue {name:?}: Azure Storage queues keep no order, so it cannot be FIFO there; make it a standard queue, or \
             run its jobs elsewhere"
        ));
    }
    problems
}

/// Returns why Azure cannot run this function, each as one sentence; empty if it can.
#[must_use]
pub fn function_problems<S>(function: &Function<S>) -> Vec<String> {
    let mut problems: Vec<_> = function.queues().iter().flat_map(queue_problems).collect();
    for trigger in &function.spec().events {
        problems.push(format!(
            "function {:?}: an event of EventBridge starts {}, and Azure has no EventBridge; remove the trigger, and enqueue \
             the job where the event arises",
            function.name(),
            trigger.job()
        ));
    }
    problems
}

/// Returns whether a queue of Azure Storage may have this name, and its poison queue too (Azure Storage REST API,
/// "Naming queues and metadata").
#[must_use]
pub fn is_queue_name(name: &str) -> bool {
    let parts = || name.split('-');
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (3..=MAX_QUEUE_NAME).contains(&name.len()) && parts().all(fits)
}

/// Returns why a timer cannot have this schedule's name, as one sentence (Azure Resource Manager, "Naming rules and
/// restrictions for Azure resources": a function's name has letters, digits, `_` and `-`).
#[must_use]
pub fn schedule_name_problem(name: &str) -> Option<String> {
    name.contains('.').then(|| {
        format!("schedule `{name}`: an Azure function is named after it, and its name may not have a dot; rename it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_azure_accepts() {
        for name in ["abc", "web-hooks-2", "0-0", &"a".repeat(MAX_QUEUE_NAME)] {
            assert!(is_queue_name(name), "{name}");
        }
        for name in ["", "ab", "Webhooks", "web_hooks", "-abc", "abc-", "a--b", "a.b", &"a".repeat(MAX_QUEUE_NAME + 1)]
        {
            assert!(!is_queue_name(name), "{name}");
        }
        assert_eq!(poison_queue(&"a".repeat(MAX_QUEUE_NAME)).len(), 63);
    }

    #[test]
    fn problems_say_what_to_do() {
        assert!(queue_problems(&Queue::standard("webhooks")).is_empty());
        let both = queue_problems(&Queue::fifo("In_Order")).join(" ");
        assert!(both.contains("rename it") && both.contains("standard queue"), "{both}");
        assert_eq!(schedule_name_problem("sums-daily"), None);
        assert!(schedule_name_problem("sums.daily").is_some_and(|text| text.contains("rename")));
    }

    #[test]
    fn the_hosts_time_out_is_never_reached_first() {
        let function: Function = Function::new("empty");
        let host = host_timeout(std::slice::from_ref(&function));
        assert!(function.timeout() < invocation_timeout(&function) && invocation_timeout(&function) < host);
        assert!(host_timeout(&[]) > Duration::ZERO);
    }
}
