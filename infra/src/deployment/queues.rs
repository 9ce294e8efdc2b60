//! Queues: visibility timeout, maximum receives, retention.

use std::{collections::BTreeMap, time::Duration};

use lamplighter::{Function, Queue, QueueHost, days, host::Route, hours, mins};

use crate::problems::Problems;

/// A queue, its dead-letter queue, and how it feeds the function that consumes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployedQueue {
    /// Its name in the definitions.
    pub name: String,
    /// Whether it is a FIFO queue.
    pub fifo: bool,
    /// The function that consumes it.
    pub function: String,
    /// The host of its jobs.
    pub host: QueueHost,
    /// The jobs that it carries, by name.
    pub jobs: Vec<String>,
    /// How long a received message stays hidden: six times the function's timeout plus the window (AWS Lambda Developer
    /// Guide, "Creating and configuring an Amazon SQS event source mapping"). Failed jobs return after their own
    /// back-off; this timeout returns the messages of an environment that died.
    pub visibility_secs: u32,
    /// How long a message is kept.
    pub retention_secs: u32,
    /// How long a dead letter is kept. On a standard queue that counts from when the message was first sent.
    pub dead_letter_retention_secs: u32,
    /// The number of receives after which SQS itself moves a message to the dead-letter queue: the backstop for jobs
    /// that crash their whole environment, so it is above the workers' own limit.
    pub max_receives: u32,
    /// The age above which a message cannot be in normal processing: the longest delay of SQS, and all attempts and
    /// waits of its longest-retrying job. Whole minutes.
    pub stale_secs: u32,
    /// The maximum number of messages per invocation.
    pub batch_size: u16,
    /// How long Lambda may wait to fill a batch.
    pub window_secs: u16,
    /// Concurrent invocations, if limited.
    pub max_concurrency: Option<u16>,
}

/// SQS's own default, used if it is enough.
const RETENTION: Duration = days(4);
/// The maximum (Amazon SQS Developer Guide, "Message quotas").
const MAX_RETENTION: Duration = days(14);
/// The longest delay of a message that is sent (the same).
const MAX_DELAY: Duration = mins(15);
/// Workers set and extend the visibility timeout of their messages themselves; this is for a message that another
/// program receives.
const WORKER_VISIBILITY: Duration = mins(2);
/// How long a message can stay hidden, counted from its receive (the same, "Visibility timeout").
const MAX_VISIBILITY: Duration = hours(12);

pub(super) fn derive(functions: &[Function], problems: &mut Problems) -> Vec<DeployedQueue> {
    let consumers = consumers(functions, problems);
    consumers.into_values().map(|(function, queue)| one(function, &queue, problems)).collect()
}

/// Returns the function that consumes each queue, by the queue's name.
pub(crate) fn consumers<'a>(
    functions: &'a [Function],
    problems: &mut Problems,
) -> BTreeMap<&'static str, (&'a Function, Queue)> {
    let mut queues: BTreeMap<&str, (&Function, Queue)> = BTreeMap::new();
    for function in functions {
        for queue in function.queues() {
            if let Some((other, _)) = queues.get(queue.name()) {
                problems.add(format!(
                    "queue {:?} is consumed by two functions, {} and {}; a queue belongs to one, so give one of them a \
                     queue of its own",
                    queue.name(),
                    other.name(),
                    function.name()
                ));
                continue;
            }
            queues.insert(queue.name(), (function, queue));
        }
    }
    queues
}

fn one(function: &Function, queue: &Queue, problems: &mut Problems) -> DeployedQueue {
    let routes: Vec<_> = function.routes().filter(|route| route.queue.name() == queue.name()).collect();
    let timeout = match queue.host {
        QueueHost::Worker => function.timeout_on(queue.name()),
        _ => function.timeout(),
    };
    let mut longest = Duration::ZERO;
    for route in &routes {
        longest = longest.max(lifetime(route, timeout));
        check(route, timeout, problems);
    }
    let window = queue.batch_window;
    DeployedQueue {
        name: queue.name().into(),
        fifo: queue.is_fifo(),
        function: function.name().into(),
        host: queue.host,
        jobs: routes.iter().map(|route| route.job.into()).collect(),
        visibility_secs: match queue.host {
            QueueHost::Worker => seconds(WORKER_VISIBILITY),
            _ => seconds(timeout.saturating_mul(6).saturating_add(window)),
        },
        retention_secs: seconds(retention(longest)),
        dead_letter_retention_secs: seconds(MAX_RETENTION),
        max_receives: function.receive_limit(queue.name()),
        stale_secs: seconds(longest.saturating_add(MAX_DELAY)).next_multiple_of(60),
        batch_size: queue.batch_size,
        window_secs: u16::try_from(window.as_secs()).unwrap_or(u16::MAX),
        max_concurrency: queue.max_concurrency,
    }
}

/// Returns a job's longest life from its first receive: all of its attempts, and the waits between them.
fn lifetime(route: &Route, timeout: Duration) -> Duration {
    let retry = &route.options.retry;
    retry.span().saturating_add(timeout.saturating_mul(retry.max_attempts()))
}

/// Returns twice the longest life, since a message also waits before its first receive; in whole days.
fn retention(longest: Duration) -> Duration {
    let days_needed = longest.saturating_mul(2).as_secs().div_ceil(days(1).as_secs());
    days(days_needed.min(MAX_RETENTION.as_secs() / days(1).as_secs())).max(RETENTION)
}

fn check(route: &Route, timeout: Duration, problems: &mut Problems) {
    let retry = &route.options.retry;
    let (job, attempts) = (route.job, retry.max_attempts());
    let (receives, most) = (Function::MAX_RECEIVES, Function::MAX_RECEIVES - Function::SPARE_RECEIVES);
    if attempts > most {
        problems.add(format!(
            "job {job} has {attempts} attempts; SQS delivers a message at most {receives} times, so at most {most} \
             attempts are possible"
        ));
        return;
    }
    let life = lifetime(route, timeout);
    if life > MAX_RETENTION - days(1) {
        problems.add(format!(
            "job {job} may retry for {:.1} days; SQS keeps a message 14 days at most, waiting included: set fewer \
             attempts or shorter delays, 13 days in all",
            life.as_secs_f64() / days(1).as_secs_f64()
        ));
    }
    let longest_wait = (1..attempts).map(|attempt| retry.ceiling(attempt)).max().unwrap_or_default();
    if longest_wait.saturating_add(timeout) > MAX_VISIBILITY {
        problems.add(format!(
            "job {job} may wait {:.1} hours between two attempts; SQS hides a message 12 hours at most, the attempt \
             included: cap the delays below that",
            longest_wait.as_secs_f64() / hours(1).as_secs_f64()
        ));
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
