//! The host itself, without the runtime API: tests and other hosts can pass it invocations too.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use lamplighter::{
    Function,
    backend::Backend,
    env::Env,
    host::{Stop, Worker},
    message::Trace,
    trace,
};
use tokio::time::Instant;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::{deadline::time_left, xray};
use crate::{AwsBackend, backend::DelayedSender, sdk::variable, sqs::Sqs};

/// A function's host. Cloning is cheap: concurrent invocations share it.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    worker: Worker,
    sqs: Sqs,
    env: Env,
    /// For delays that SQS does not support.
    delayed_sender: Option<DelayedSender>,
    /// Whether there are records.
    tracks: bool,
    stop: Stop,
    running: TaskTracker,
}

/// One invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request's id.
    pub request_id: String,
    /// When Lambda ends the process.
    pub deadline: Instant,
    /// X-Ray's tracing header, as in the variable `_X_AMZN_TRACE_ID`.
    pub trace_header: Option<String>,
}

/// The longest that the export of spans may delay a response.
const LONGEST_FLUSH: Duration = Duration::from_secs(1);

impl Invocation {
    pub(super) fn of(context: &lambda_runtime::Context, host: &Host) -> Self {
        let left = time_left(context.deadline, SystemTime::now(), host.function().timeout());
        let trace_header = context.xray_trace_id.clone();
        Self { request_id: context.request_id.clone(), deadline: Instant::now() + left, trace_header }
    }

    /// Returns the moment by which the response must be sent: jobs and calls end before that.
    pub(super) fn answer_by(&self) -> Instant {
        let budget = self.deadline.saturating_duration_since(Instant::now());
        self.deadline - (budget / 20).min(Duration::from_millis(500))
    }

    /// Returns the trace context of the invocation, if anything is traced. Only a sampled one counts: Lambda also sends
    /// one that is not where X-Ray is not used at all, and OpenTelemetry's instrumentations go by the same rule.
    pub(super) fn trace(&self) -> Option<Trace> {
        let trace = self.trace_header.as_deref().filter(|_| trace::is_installed()).and_then(xray::trace);
        trace.filter(|trace| trace.ids().is_some_and(|(.., flags)| flags & 1 == 1))
    }

    /// Returns how long the export of spans may take, after the work and before the response.
    pub(super) fn flush_within(&self) -> Duration {
        (self.deadline.saturating_duration_since(Instant::now()) / 10).min(LONGEST_FLUSH)
    }
}

impl Host {
    /// Creates a host without a table: attempts are counted by receives, and a job that succeeds makes no call.
    #[must_use]
    pub fn new(function: Function, sqs: Sqs) -> Self {
        Self::with_env(function, sqs, Env::system())
    }

    /// Like [`new`](Self::new), with an injected clock and randomness.
    #[must_use]
    pub fn with_env(function: Function, sqs: Sqs, env: Env) -> Self {
        let backend = Backend::new(Arc::new(sqs.clone()));
        Self::with_backend(function, sqs, backend, env, None)
    }

    /// Creates a host of a deployment: with records, if there is a table and the function uses it.
    #[must_use]
    pub fn on(function: Function, aws: &AwsBackend) -> Self {
        let aws = if function.spec().stateless { aws.stateless() } else { aws.clone() };
        let delayed_sender = Some(aws.delayed_sender().clone());
        Self::with_backend(function, aws.sqs().clone(), aws.backend(), aws.env().clone(), delayed_sender)
    }

    /// Creates a long-running host of a deployment: its leases are renewed.
    #[cfg(feature = "poller")]
    pub(crate) fn polling(function: Function, aws: &AwsBackend, name: &str, lease: Duration, stop: &Stop) -> Self {
        let aws = if function.spec().stateless { aws.stateless() } else { aws.clone() };
        let (backend, env) = (aws.backend(), aws.env().clone());
        let tracks = backend.store.is_some();
        let worker = Worker::with_lease(function, backend, env.clone(), name, stop.clone(), lease);
        Self(Arc::new(Inner {
            worker,
            sqs: aws.sqs().clone(),
            env,
            delayed_sender: Some(aws.delayed_sender().clone()),
            tracks,
            stop: stop.clone(),
            running: TaskTracker::new(),
        }))
    }

    fn with_backend(
        function: Function,
        sqs: Sqs,
        backend: Backend,
        env: Env,
        delayed_sender: Option<DelayedSender>,
    ) -> Self {
        let name = variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| function.name().into());
        let host = match variable("AWS_LAMBDA_LOG_STREAM_NAME") {
            Some(stream) => format!("lambda {name} {stream}"),
            None => format!("lambda {name}"),
        };
        let stop = Stop::new();
        let tracks = backend.store.is_some();
        let worker = Worker::new(function, backend, env.clone(), host, stop.clone());
        Self(Arc::new(Inner { worker, sqs, env, delayed_sender, tracks, stop, running: TaskTracker::new() }))
    }

    /// Returns the handle that stops the host.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// Resolves when no invocation is being served. Meant for shutdown: afterwards it may resolve immediately.
    pub async fn idle(&self) {
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// Returns the function that it serves.
    #[must_use]
    pub fn function(&self) -> &Function {
        self.0.worker.function()
    }

    /// Marks an invocation as being served, until the answer is dropped.
    pub(super) fn running(&self) -> TaskTrackerToken {
        self.0.running.token()
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.0.worker
    }

    pub(crate) fn env(&self) -> &Env {
        &self.0.env
    }

    pub(crate) fn delayed_sender(&self) -> Option<&DelayedSender> {
        self.0.delayed_sender.as_ref()
    }

    /// Returns whether jobs with that name have records.
    pub(crate) fn tracks(&self, job: &str) -> bool {
        self.0.tracks && self.function().route(job).is_some_and(|route| route.options.is_tracked())
    }

    pub(crate) fn sqs(&self) -> &Sqs {
        &self.0.sqs
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("worker", &self.0.worker).finish_non_exhaustive()
    }
}
