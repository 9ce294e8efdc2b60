//! The worker: processes a batch of deliveries, whatever host they come from.
//!
//! 1. [`intake`]: each body is parsed separately; a message that cannot run is dead-lettered or released immediately.
//! 2. One claim for the batch: which jobs may run, have ended already, or run elsewhere.
//! 3. [`batch`]: jobs run concurrently, FIFO groups in order, each [`attempt`] under its timeout, panics caught per job.
//! 4. [`decision`]: the consequences of an attempt's end for the record and for the message.
//! 5. [`bookkeeping`]: jobs that end at the same time are recorded in one call, each write fenced.
//! 6. [`carried`]: a settlement that the store cannot take is sent as a message, and applied by its receiver.
//! 7. [`renewal`]: hosts that give jobs hours keep their leases short, and renew them.
//!
//! Each await has its share of the time, by the [`budget`].

mod attempt;
mod batch;
mod bookkeeping;
mod budget;
mod carried;
mod decision;
mod intake;
mod outputs;
mod renewal;

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use serde_json::value::RawValue;
use tokio::time::Instant;

pub(crate) use self::carried::SETTLE_JOB;
pub use self::carried::{body_as_sent, carries_settlement};
use self::{
    budget::Budget,
    carried::Carried,
    intake::{Ready, Received},
};
use crate::{
    client::Client,
    declared::Limits,
    delivery::{Delivery, Disposition, MessageAction},
    env::Env,
    error::ErrorText,
    function::Function,
    host::Stop,
    id::JobId,
    meter::{Measurements, Run, RunEnd},
    ports::{Backend, Decision},
    record::JobState,
};

/// Runs the jobs of one function. Cloning is cheap.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    function: Function,
    backend: Backend,
    client: Client,
    env: Env,
    host: Arc<str>,
    stop: Stop,
    /// How long a lease lasts that is renewed; `None` where leases last as long as their batch may.
    lease: Option<Duration>,
}

/// The result of one job that was handed over directly; see [`Worker::perform`].
#[derive(Debug, Clone)]
pub struct JobResult {
    /// The action on the message, had one carried the job.
    pub action: MessageAction,
    /// The state that its attempt led to; `None` when no handler ran: it had ended before, or expired.
    pub state: Option<JobState>,
    /// The handler's output.
    pub output: Option<Box<RawValue>>,
    /// The error.
    pub error: Option<ErrorText>,
}

/// The shortest lease that is renewed.
const LEAST_LEASE: Duration = Duration::from_secs(3);

/// A settlement, and the decision that led to it if a handler ran.
struct Report {
    settlement: Disposition,
    decision: Option<Decision>,
    /// Boxed, and `None` where nothing is measured.
    run: Option<Box<Run>>,
}

impl Worker {
    /// A worker for `function`. Without a store in the backend, attempts are counted by receives. `host` names the host
    /// in a few words, for histories; `stop` is the signal with which the host stops the worker.
    #[must_use]
    pub fn new(function: Function, backend: Backend, env: Env, host: impl Into<Arc<str>>, stop: Stop) -> Self {
        Self::build(function, backend, env, host.into(), stop, None)
    }

    /// A worker whose leases last for `lease` and are renewed at a third of it, for hosts that give jobs hours: when such a
    /// host dies, its jobs run again after `lease`, and not after the hours. At least three seconds.
    #[must_use]
    pub fn with_lease(
        function: Function,
        backend: Backend,
        env: Env,
        host: impl Into<Arc<str>>,
        stop: Stop,
        lease: Duration,
    ) -> Self {
        Self::build(function, backend, env, host.into(), stop, Some(lease.max(LEAST_LEASE)))
    }

    fn build(
        function: Function,
        backend: Backend,
        env: Env,
        host: Arc<str>,
        stop: Stop,
        lease: Option<Duration>,
    ) -> Self {
        let limits = Limits::of(function.spec());
        let client = Client::new(backend.clone(), env.clone()).limited(limits);
        Self(Arc::new(Inner { function: function.bound(), backend, client, env, host, stop, lease }))
    }

    /// The function whose jobs it runs.
    #[must_use]
    pub fn function(&self) -> &Function {
        &self.0.function
    }

    /// Runs the jobs of a batch and says what the host must do with each delivery; every delivery gets exactly one
    /// answer. Returns before `deadline`, with time left to act on the answers.
    pub async fn process(&self, deliveries: Vec<Delivery>, deadline: Instant) -> Vec<Disposition> {
        let mut settlements = Vec::with_capacity(deliveries.len());
        self.process_each(deliveries, deadline, |settled| settlements.extend(settled)).await;
        settlements
    }

    /// [`process`](Self::process), with the answers passed to `sink` as soon as they are known, so that a slow job does
    /// not delay the acknowledgement of others.
    pub async fn process_each(
        &self,
        deliveries: Vec<Delivery>,
        deadline: Instant,
        mut sink: impl FnMut(Vec<Disposition>) + Send,
    ) {
        self.0
            .run(deliveries, deadline, &mut |reports| sink(reports.into_iter().map(|r| r.settlement).collect()))
            .await;
    }

    /// Runs one job that no queue delivered: a direct invocation, or an event.
    pub async fn perform(&self, delivery: Delivery, deadline: Instant) -> JobResult {
        let mut result = JobResult { action: MessageAction::Release(None), state: None, output: None, error: None };
        let mut take = |reports: Vec<Report>| {
            for report in reports {
                if let MessageAction::DeadLetter(cause) = &report.settlement.action {
                    result.error = Some(cause.error.clone());
                }
                result.action = report.settlement.action;
                result.state = report.decision.as_ref().map(Decision::state);
                match report.decision {
                    Some(Decision::Succeeded { output, .. }) => result.output = output,
                    Some(Decision::Retry { error, .. } | Decision::Failed { error, .. }) => result.error = Some(error),
                    Some(Decision::Continued { .. } | Decision::Released { .. }) | None => {}
                }
            }
        };
        self.0.run(vec![delivery], deadline, &mut take).await;
        result
    }
}

impl Inner {
    async fn run(&self, deliveries: Vec<Delivery>, deadline: Instant, sink: &mut (dyn FnMut(Vec<Report>) + Send)) {
        let budget = Budget::new(Instant::now(), deadline);
        let meter = self.backend.meter.as_deref();
        let mut measured = Measurements { deliveries: deliveries.len(), ..Measurements::default() };
        measured.runs.reserve(if meter.is_some() { deliveries.len() } else { 0 });
        let mut counted = |mut reports: Vec<Report>| {
            if meter.is_some() {
                measured.runs.extend(reports.iter_mut().filter_map(|report| report.run.take()).map(|run| *run));
            }
            if self.stop.is_draining() {
                let is_back = |report: &&Report| matches!(report.settlement.action, MessageAction::Release(_));
                let back = reports.iter().filter(is_back).count();
                self.stop.count(reports.len() - back, back);
            }
            sink(reports);
        };
        let sink = &mut counted;
        let Received { ready, carried, reports, held } = self.receive(deliveries, budget);
        if !reports.is_empty() {
            sink(reports);
        }
        let mut batch = batch::Batch::new(self, budget);
        let ready = match carried.is_empty() {
            true => ready,
            false => {
                let (ready, behind) = split_waiting(ready, &carried);
                batch.expect(Box::pin(self.apply(carried, behind, held.clone(), budget)));
                ready
            }
        };
        if !ready.is_empty() {
            let admitted = self.claim(ready, held, budget).await;
            batch.admit(admitted, sink);
        }
        batch.run(sink).await;
        if let Some(meter) = meter {
            measured.took = budget.began.elapsed();
            measured.budget = deadline.saturating_duration_since(budget.began);
            meter.record(&measured);
        }
    }

    /// Whether anything is measured.
    fn is_measured(&self) -> bool {
        self.backend.meter.is_some()
    }
}

/// Separates jobs that can run from those whose settlement came in the same batch, and those behind such a job in its
/// group.
fn split_waiting(ready: Vec<Ready>, carried: &[Carried]) -> (Vec<Ready>, Vec<Ready>) {
    let mut groups: HashSet<(Arc<str>, Arc<str>)> = HashSet::new();
    ready.into_iter().partition(|ready| {
        let lane = ready.delivery.group.clone().map(|group| (ready.delivery.queue.clone(), group));
        let waits = lane.as_ref().is_some_and(|lane| groups.contains(lane))
            || carried.iter().any(|carried| *carried.job() == ready.id);
        if waits {
            groups.extend(lane);
        }
        !waits
    })
}

impl Report {
    fn of(delivery: &Delivery, action: MessageAction) -> Self {
        Self {
            settlement: Disposition {
                message_id: delivery.message_id.clone(),
                receipt: delivery.receipt.clone(),
                action,
                token: None,
                done: false,
            },
            decision: None,
            run: None,
        }
    }

    /// Adds the measurement of a message that was dead-lettered without having run.
    fn measured(mut self, queue: &Arc<str>, job: Option<(&'static str, &JobId)>) -> Self {
        if matches!(self.settlement.action, MessageAction::DeadLetter(_)) {
            let mut run = Run::new(job.map_or(Run::UNKNOWN, |(name, _)| name), queue.clone(), RunEnd::Failed);
            (run.id, run.dead_lettered) = (job.map(|(_, id)| id.clone()), true);
            self.run = Some(Box::new(run));
        }
        self
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("function", &self.0.function).field("host", &self.0.host).finish_non_exhaustive()
    }
}
