//! A circuit breaker: pauses a job type while what it depends on is down.

use std::{
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{self, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{Execution, Layer, Output, Service};
use crate::{
    context::Context,
    error::{JobError, JobErrorKind},
    handler::{Outcome, OutcomeFuture},
};

/// A layer that pauses a job type while what it depends on is down.
///
/// After a number of failures in a row the circuit *opens*: further jobs of this type do not run, and are put back,
/// uncounted. When the cool-down is over, it is *half open*: one job runs as a trial. If that succeeds, the circuit
/// *closes* and jobs run again; if it fails, the circuit is open for another cool-down.
///
/// A failure is an error that the handler [marks](JobError::dependency_down), or that a [predicate](Self::when) selects.
/// Other errors change nothing, and a success ends the row.
///
/// ```
/// # use lamplighter::{Function, Job, JobError, Queue, secs};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Charge { pub order: String }
/// # impl Job for Charge { const NAME: &'static str = "card.charge"; const QUEUE: Queue = Queue::standard("payments"); }
/// # async fn call(_: &str) -> Result<(), std::io::Error> { Ok(()) }
/// use lamplighter::layer::CircuitBreaker;
///
/// async fn charge(job: Charge) -> Result<(), JobError> {
///     call(&job.order).await.map_err(|error| JobError::retry(error).dependency_down())
/// }
///
/// pub fn function() -> Function {
///     Function::new("payments").job(charge).layer(CircuitBreaker::new().failures(3).cool_down(secs(60)))
/// }
/// # assert!(function().problems().is_empty());
/// ```
///
/// **State** belongs to this process, and to one job type: on Lambda each execution environment finds out by itself. All
/// clones share it.
///
/// **When jobs come back.** Not before the rest of the cool-down, and spread at random over as long again as the circuit
/// has been failing, at least a cool-down and at most [an hour](Self::LONGEST_SPREAD). So a thousand jobs do not come back
/// at one moment, and a long outage costs a job about one receive an hour.
///
/// **No job is dead-lettered because a circuit is open.** A job is put back only when that cannot use up what it has left: it
/// must have a record, which counts its attempts, and its message must have receives to spare beyond all attempts that are
/// left (SQS itself moves a message to the dead-letter queue after a queue's `maxReceiveCount`). Otherwise it runs as
/// though the circuit were closed. So an untracked job, a job of a stateless function, and one that was invoked directly
/// always run.
#[derive(Clone)]
pub struct CircuitBreaker {
    failures: u32,
    cool_down: Duration,
    is_failure: Arc<dyn Fn(&JobError) -> bool + Send + Sync>,
    timeouts: bool,
    circuits: Arc<Mutex<BTreeMap<&'static str, Circuit>>>,
}

impl CircuitBreaker {
    /// The failures in a row after which a circuit opens, unless [`failures`](Self::failures) says otherwise.
    pub const DEFAULT_FAILURES: u32 = 5;
    /// How long a circuit stays open before a trial, unless [`cool_down`](Self::cool_down) says otherwise.
    pub const DEFAULT_COOL_DOWN: Duration = Duration::from_secs(30);
    /// The longest time over which jobs that are put back are spread, beyond the cool-down.
    pub const LONGEST_SPREAD: Duration = Duration::from_secs(3600);

    /// Opens after [five](Self::DEFAULT_FAILURES) failures in a row for [30 seconds](Self::DEFAULT_COOL_DOWN). Only
    /// errors that the handler [marks](JobError::dependency_down) are failures.
    #[must_use]
    pub fn new() -> Self {
        Self {
            failures: Self::DEFAULT_FAILURES,
            cool_down: Self::DEFAULT_COOL_DOWN,
            is_failure: Arc::new(JobError::is_dependency_down),
            timeouts: false,
            circuits: Arc::default(),
        }
    }

    /// Opens after this many failures in a row; at least one.
    #[must_use]
    pub fn failures(mut self, in_a_row: u32) -> Self {
        self.failures = in_a_row.max(1);
        self
    }

    /// How long a circuit stays open before a trial; from a second to a day.
    #[must_use]
    pub fn cool_down(mut self, time: Duration) -> Self {
        self.cool_down = time.clamp(Duration::from_secs(1), Duration::from_secs(86_400));
        self
    }

    /// Which errors are failures, in place of those that the handler marks. Errors that put the job back are none.
    #[must_use]
    pub fn when(mut self, is_failure: impl Fn(&JobError) -> bool + Send + Sync + 'static) -> Self {
        self.is_failure = Arc::new(is_failure);
        self
    }

    /// An attempt that reaches its deadline is a failure too: a dependency may be silent.
    #[must_use]
    pub fn count_timeouts(mut self) -> Self {
        self.timeouts = true;
        self
    }

    /// The state of a job's circuit.
    #[must_use]
    pub fn state(&self, job: &str) -> CircuitState {
        match self.circuits().get(job).map(|circuit| &circuit.phase) {
            None | Some(Phase::Closed { .. }) => CircuitState::Closed,
            Some(Phase::Open { until }) if *until > Instant::now() => CircuitState::Open,
            Some(Phase::Open { .. } | Phase::HalfOpen { .. }) => CircuitState::HalfOpen,
        }
    }

    fn circuits(&self) -> MutexGuard<'_, BTreeMap<&'static str, Circuit>> {
        self.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an execution may run; `Err`: for how long its job is put back.
    fn admit(&self, execution: &Execution) -> Result<Pass, Duration> {
        let now = Instant::now();
        let (context, job) = (execution.context(), execution.job());
        let mut circuits = self.circuits();
        let circuit = circuits.entry(job).or_default();
        let pass = |generation, is_trial| {
            let (breaker, context) = (self.clone(), context.clone());
            Pass { breaker, context, job, generation, is_trial, over: false }
        };
        let wait = match &mut circuit.phase {
            Phase::Closed { .. } => return Ok(pass(circuit.generation, false)),
            Phase::Open { until } if *until > now => until.saturating_duration_since(now),
            // The trial has until its deadline, or one that never ends would keep the circuit half open for ever.
            Phase::HalfOpen { trial_until: Some(until) } if *until > now => self.cool_down,
            phase => {
                *phase = Phase::HalfOpen { trial_until: Some(now + context.remaining()) };
                circuit.generation += 1;
                return Ok(pass(circuit.generation, true));
            }
        };
        if execution.spare_receives() == 0 {
            tracing::debug!(job, id = %context.id(), "runs though its circuit is open: it cannot be put back uncounted");
            return Ok(pass(circuit.generation, false));
        }
        let failing_for = circuit.failing_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let spread = failing_for.min(Self::LONGEST_SPREAD).max(self.cool_down);
        Err(wait + spread.mul_f64(execution.env().random.unit()))
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitBreaker")
            .field("failures", &self.failures)
            .field("cool_down", &self.cool_down)
            .finish_non_exhaustive()
    }
}

/// Where a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CircuitState {
    /// Jobs run.
    Closed,
    /// Jobs are put back.
    Open,
    /// The next job runs as a trial, or one does.
    HalfOpen,
}

/// What is known of one job type.
#[derive(Debug)]
struct Circuit {
    phase: Phase,
    /// Rises when the circuit opens or closes and when a trial begins: what began before says nothing about now.
    generation: u64,
    /// Since when no trial has succeeded.
    failing_since: Option<Instant>,
}

#[derive(Debug)]
enum Phase {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { trial_until: Option<Instant> },
}

impl Default for Circuit {
    fn default() -> Self {
        Self { phase: Phase::Closed { failures: 0 }, generation: 0, failing_since: None }
    }
}

impl Circuit {
    fn succeeded(&mut self, job: &str) {
        match &mut self.phase {
            Phase::Closed { failures } => *failures = 0,
            Phase::Open { .. } | Phase::HalfOpen { .. } => {
                tracing::info!(job, "circuit closed: jobs of this type run again");
                *self = Self { generation: self.generation + 1, ..Self::default() };
            }
        }
    }

    fn failed(&mut self, job: &str, limit: u32, cool_down: Duration) {
        match &mut self.phase {
            Phase::Closed { failures } => {
                *failures += 1;
                if *failures < limit {
                    return;
                }
            }
            // It was there before the circuit opened, or could not be put back.
            Phase::Open { .. } => return,
            Phase::HalfOpen { .. } => {}
        }
        let now = Instant::now();
        let cool_down_s = cool_down.as_secs_f64();
        tracing::warn!(
            job,
            cool_down_s,
            "circuit open: what jobs of this type depend on is down, and they are put back"
        );
        self.phase = Phase::Open { until: now + cool_down };
        self.failing_since.get_or_insert(now);
        self.generation += 1;
    }
}

/// An execution that was let through.
struct Pass {
    breaker: CircuitBreaker,
    context: Context,
    job: &'static str,
    generation: u64,
    is_trial: bool,
    over: bool,
}

impl Pass {
    fn end(mut self, outcome: &Outcome) {
        self.over = true;
        let says = match outcome {
            Ok(_) => Says::Up,
            Err(error) if matches!(error.kind(), JobErrorKind::Snooze | JobErrorKind::Continue) => Says::Nothing,
            Err(error) if (self.breaker.is_failure)(error) => Says::Down,
            Err(_) => Says::Nothing,
        };
        self.tell(&says);
    }

    fn tell(&self, says: &Says) {
        let mut circuits = self.breaker.circuits();
        let circuit = circuits.entry(self.job).or_default();
        if circuit.generation != self.generation {
            return;
        }
        match says {
            Says::Up => circuit.succeeded(self.job),
            Says::Down => circuit.failed(self.job, self.breaker.failures, self.breaker.cool_down),
            Says::Nothing => {
                // The next job tries.
                if let Phase::HalfOpen { trial_until } = &mut circuit.phase
                    && self.is_trial
                {
                    *trial_until = None;
                }
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // Dropped without an outcome: a panic, the deadline, or the host is stopping.
        let timed_out = !std::thread::panicking() && self.context.remaining().is_zero();
        self.tell(if timed_out && self.breaker.timeouts { &Says::Down } else { &Says::Nothing });
    }
}

/// What an execution says about the dependency.
enum Says {
    Up,
    Down,
    Nothing,
}

impl<S> Layer<S> for CircuitBreaker {
    type Service = CircuitBreakerService<S>;

    fn layer(&self, inner: S) -> CircuitBreakerService<S> {
        CircuitBreakerService { inner, breaker: self.clone() }
    }
}

/// The service of [`CircuitBreaker`].
#[derive(Debug, Clone)]
pub struct CircuitBreakerService<S> {
    inner: S,
    breaker: CircuitBreaker,
}

impl<S> Service<Execution> for CircuitBreakerService<S>
where
    S: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static> + Clone + Send + 'static,
{
    type Response = Output;
    type Error = JobError;
    type Future = OutcomeFuture;

    /// Always: an open circuit answers at once, whatever is inside.
    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), JobError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, execution: Execution) -> OutcomeFuture {
        let (breaker, mut inner) = (self.breaker.clone(), self.inner.clone());
        Box::pin(async move {
            let pass = match breaker.admit(&execution) {
                Ok(pass) => pass,
                Err(delay) => return Err(JobError::snooze(delay)),
            };
            let run = async {
                poll_fn(|cx| inner.poll_ready(cx)).await?;
                inner.call(execution).await
            };
            let outcome = run.await.map_err(Into::into);
            pass.end(&outcome);
            outcome
        })
    }
}
