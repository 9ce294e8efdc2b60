//! Layers: tower middleware around the execution of handlers.
//!
//! A layer sees each [`Execution`] before its handler, and the outcome after it: the handler's output, or its
//! [`JobError`]. It may measure, log, refuse, answer in the handler's place, or change the outcome. [`Metrics`] and
//! [`CircuitBreaker`] are layers; so is everything that implements [`Layer`] and makes a [`Service`] of executions.
//!
//! ```
//! # use lamplighter::{Context, Function, Job, JobError, Queue};
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # pub struct Greet { pub name: String }
//! # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
//! # async fn greet(job: Greet) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
//! use lamplighter::layer::{CircuitBreaker, Metrics};
//!
//! pub fn function(metrics: Metrics) -> Function {
//!     Function::new("greetings")
//!         .job(greet)
//!         .layer(CircuitBreaker::new())
//!         .layer(metrics) // outside: it sees what the circuit breaker answers
//! }
//! # assert!(function(Metrics::new()).problems().is_empty());
//! ```
//!
//! [`Function::layer`](crate::Function::layer) says in which order layers run. What a layer may rely on, and what it must
//! not do, is in `docs/layers.md`.

mod circuit_breaker;
mod metrics;

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{self, Poll},
};

use serde_json::value::RawValue;
pub use tower_layer::Layer;
pub use tower_service::Service;

pub use self::{
    circuit_breaker::{CircuitBreaker, CircuitBreakerService, CircuitState},
    metrics::{EndKind, Histogram, JobMetrics, Metrics, MetricsService},
};
pub use crate::error::JobErrorKind;
#[cfg(feature = "job-log")]
pub use crate::job_log::JobLog;
use crate::{
    context::Context,
    env::Env,
    error::{ErrorText, JobError},
    handler::{ErasedHandler, OutcomeFuture},
    id::JobId,
    message::Trace,
};

/// What a handler returned, as JSON; `None` for `()` and what else is `null`.
pub type Output = Option<Box<RawValue>>;

/// One execution of a handler: an attempt of a job. Cloning is cheap.
#[derive(Clone)]
pub struct Execution {
    job: &'static str,
    context: Context,
    /// After how many receives the job's queue gives a message up.
    receive_limit: u32,
}

impl Execution {
    /// The job's name.
    #[must_use]
    pub fn job(&self) -> &'static str {
        self.job
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        self.context.id()
    }

    /// Which attempt this is, from 1. Without a store it is the number of receives.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.context.attempt()
    }

    /// The queue that the job came from, without any suffix.
    #[must_use]
    pub fn queue(&self) -> &str {
        self.context.queue()
    }

    /// The arguments as they were sent: the text of a JSON object, which need not fit the job. Sensitive values stand in it
    /// as they are, so it belongs into no log.
    #[must_use]
    pub fn args(&self) -> &RawValue {
        self.context.args()
    }

    /// What the handler knows about its run.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The worker's clock and random numbers.
    #[must_use]
    pub fn env(&self) -> &Env {
        self.context.env()
    }

    /// What carried the job's message: see [`Queues::messaging_system`](crate::backend::Queues::messaging_system).
    #[must_use]
    pub fn messaging_system(&self) -> &'static str {
        self.context.messaging_system()
    }

    /// Sets the trace context that jobs continue which its handler enqueues, in place of that of its own message. The
    /// first one counts, before the handler has used its client.
    pub fn continue_trace(&self, trace: Trace) {
        self.context.continue_trace(trace);
    }

    /// An error's text as the job's record gets it: without the values of [sensitive](crate::Sensitive) arguments.
    /// Unlike the error itself, it may go to where records are read.
    #[must_use]
    pub fn error_text(&self, error: &JobError) -> ErrorText {
        self.context.error_text(error)
    }

    /// How often the job may be put back from here on, so that its queue still delivers it for all attempts that it has
    /// left. None where each receive counts as an attempt, or where no queue will deliver the job again.
    pub(crate) fn spare_receives(&self) -> u32 {
        let context = &self.context;
        if !context.is_tracked() || context.receives() == 0 {
            return 0;
        }
        // This attempt, which is not to count, and those after it.
        let attempts = context.max_attempts().saturating_sub(context.attempt()).saturating_add(1);
        // For deliveries that are released without having run: the store may be away too.
        let reserve = (self.receive_limit / 10).max(2);
        self.receive_limit.saturating_sub(context.receives()).saturating_sub(attempts).saturating_sub(reserve)
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("job", &self.job)
            .field("id", self.id())
            .field("attempt", &self.attempt())
            .field("queue", &self.queue())
            .finish_non_exhaustive()
    }
}

/// The service that a layer is put around: the handler of one job, and the layers inside. It reads the arguments, runs the
/// handler and gives its outcome. Arguments that do not fit the job are an error of kind
/// [`BadArguments`](JobErrorKind::BadArguments).
pub struct HandlerService(Box<dyn BoxedService>);

impl Clone for HandlerService {
    fn clone(&self) -> Self {
        Self(self.0.clone_box())
    }
}

impl Service<Execution> for HandlerService {
    type Response = Output;
    type Error = JobError;
    type Future = OutcomeFuture;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), JobError>> {
        self.0.ready(cx)
    }

    fn call(&mut self, execution: Execution) -> OutcomeFuture {
        self.0.run(execution)
    }
}

impl fmt::Debug for HandlerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

/// A service with its type forgotten.
trait BoxedService: Send + Sync {
    fn clone_box(&self) -> Box<dyn BoxedService>;
    fn ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), JobError>>;
    fn run(&mut self, execution: Execution) -> OutcomeFuture;
}

impl<S> BoxedService for S
where
    S: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    fn clone_box(&self) -> Box<dyn BoxedService> {
        Box::new(self.clone())
    }

    fn ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), JobError>> {
        self.poll_ready(cx).map_err(Into::into)
    }

    fn run(&mut self, execution: Execution) -> OutcomeFuture {
        let future = self.call(execution);
        Box::pin(async move { future.await.map_err(Into::into) })
    }
}

/// The handler itself.
#[derive(Clone)]
struct Innermost(ErasedHandler);

impl BoxedService for Innermost {
    fn clone_box(&self) -> Box<dyn BoxedService> {
        Box::new(self.clone())
    }

    fn ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), JobError>> {
        Poll::Ready(Ok(()))
    }

    fn run(&mut self, execution: Execution) -> OutcomeFuture {
        match (self.0)(execution.context) {
            Ok(future) => future,
            Err(misfit) => Box::pin(std::future::ready(Err(JobError::bad_arguments(misfit)))),
        }
    }
}

/// A layer with its type forgotten.
pub(crate) type ErasedLayer = Arc<dyn Fn(HandlerService) -> HandlerService + Send + Sync>;

pub(crate) fn erase<L>(layer: L) -> ErasedLayer
where
    L: Layer<HandlerService> + Send + Sync + 'static,
    L::Service: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Arc::new(move |inner| HandlerService(Box::new(layer.layer(inner))))
}

/// Layers for several functions: those of an [`App`](crate::App), or of one function in a Lambda bootstrap, which knows no
/// app. Each goes around those added before it.
///
/// ```
/// # use lamplighter::{Function, Job, JobError, Queue};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Greet { pub name: String }
/// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
/// # async fn greet(job: Greet) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
/// use lamplighter::layer::{CircuitBreaker, Layers, Metrics};
///
/// let layers = Layers::new().layer(CircuitBreaker::new()).layer(Metrics::new());
/// let function: Function = Function::new("greetings").job(greet).layers(&layers);
/// # assert!(function.problems().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Layers(Vec<ErasedLayer>);

impl Layers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a layer, outside of those that are there.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService> + Send + Sync + 'static,
        L::Service: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.0.push(erase(layer));
        self
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    pub(crate) fn all(&self) -> &[ErasedLayer] {
        &self.0
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

/// A handler with layers around it, the first one innermost.
pub(crate) fn apply(
    layers: &[ErasedLayer],
    handler: ErasedHandler,
    job: &'static str,
    receive_limit: u32,
) -> ErasedHandler {
    let innermost = HandlerService(Box::new(Innermost(handler)));
    let service = layers.iter().fold(innermost, |inner, layer| layer(inner));
    Arc::new(move |context| {
        let mut service = service.clone();
        let execution = Execution { job, context, receive_limit };
        Ok(Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await?;
            service.call(execution).await
        }))
    })
}
