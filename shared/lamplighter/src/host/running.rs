//! A host: runs sources, and ends them in order.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, task::JoinSet};

use super::{DrainBudget, Lifecycle, Phase, Source, Status, Stop, StopRequest, pulse::Pulse};
use crate::trace;

/// A host that has not started yet: its sources.
#[must_use = "a host runs nothing until it is started"]
pub struct Host {
    stop: Stop,
    sources: Vec<Arc<dyn Source>>,
}

impl Host {
    /// A host without sources. Its workers share `stop`.
    pub fn new(stop: Stop) -> Self {
        Self { stop, sources: Vec::new() }
    }

    /// Adds a source.
    pub fn source(self, source: impl Source) -> Self {
        self.shared_source(Arc::new(source))
    }

    /// Adds a source that others see too.
    pub fn shared_source(mut self, source: Arc<dyn Source>) -> Self {
        self.sources.push(source);
        self
    }

    /// Starts the sources, each in a task of the current runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as [`tokio::spawn`] does.
    pub fn start(self) -> Running {
        let Self { stop, sources } = self;
        let mut tasks = JoinSet::new();
        for source in &sources {
            let (source, stop) = (source.clone(), stop.clone());
            tasks.spawn(async move { source.run(&stop).await });
        }
        let monitor = Monitor { stop, sources: sources.into(), failed: Arc::default() };
        Running { monitor, tasks, runtime: Handle::current() }
    }
}

/// A running host.
///
/// In a program of its own, give it to a lifecycle: [`run`](Self::run). In a program that does other things too, keep it
/// and call [`drain`](Self::drain) before the program ends. When it is dropped, its handlers are cut off and their jobs are
/// handed back in the background.
#[must_use = "a host whose `Running` is dropped ends immediately"]
pub struct Running {
    monitor: Monitor,
    tasks: JoinSet<()>,
    /// Where the sources run. It may be polled elsewhere.
    runtime: Handle,
}

/// Looks at a running host. Cloning is cheap.
#[derive(Clone)]
pub struct Monitor {
    stop: Stop,
    sources: Arc<[Arc<dyn Source>]>,
    /// Whether a source has panicked.
    failed: Arc<AtomicBool>,
}

impl Monitor {
    /// How the host is, now.
    #[must_use]
    pub fn status(&self) -> Status {
        let phase = if self.stop.is_draining() { Phase::Draining } else { Phase::Running };
        self.status_in(phase)
    }

    fn status_in(&self, phase: Phase) -> Status {
        Status { phase, sources: self.sources.iter().map(|source| source.health()).collect() }
    }

    fn is_settling(&self) -> bool {
        self.sources.iter().any(|source| source.is_settling())
    }
}

/// The result of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Attempts that ended after the stop was requested.
    pub ended: usize,
    /// Jobs that were handed back, to run again elsewhere, without counting the attempt.
    pub handed_back: usize,
    /// Whether handlers that block their threads were left behind. If their jobs could not be handed back, they run again
    /// when their leases end, and the attempts count as lost.
    pub left_behind: bool,
    /// Whether a source had panicked, which ends the host.
    pub failed: bool,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = |n: usize| if n == 1 { "1 job".to_owned() } else { format!("{n} jobs") };
        match (self.ended, self.handed_back) {
            (0, 0) if self.left_behind => f.write_str("no job ended")?,
            (0, 0) => f.write_str("nothing was running")?,
            (ended, 0) => write!(f, "{} ended", jobs(ended))?,
            (0, back) => write!(f, "{} went back to the queue", jobs(back))?,
            (ended, back) => write!(f, "{} ended, {} went back to the queue", jobs(ended), jobs(back))?,
        }
        if self.left_behind {
            f.write_str("; some handlers block their threads and were left behind")?;
        }
        Ok(())
    }
}

/// How long handing back may go on without progress: of the runtime, and of the sources alone. What has not ended then is
/// held up by a handler that blocks its thread.
const BLOCKED: Duration = Duration::from_millis(500);
const QUIET: Duration = Duration::from_secs(2);
/// How far tokio's clock may be behind.
const LATE: Duration = Duration::from_millis(50);
/// The longest that the export of spans may take at the end.
const LONGEST_FLUSH: Duration = Duration::from_secs(2);
/// The longest that a report to a lifecycle may take.
const LONGEST_REPORT: Duration = Duration::from_secs(1);

impl Running {
    /// Looks at it from elsewhere: for health checks.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }

    /// Resolves when all of its sources have ended by themselves.
    pub async fn ended(&mut self) {
        ended(&mut self.tasks, &self.monitor).await;
    }

    /// Runs until the lifecycle wants it to end, or all sources have ended, and drains within `budget` or within the time
    /// that the lifecycle leaves.
    ///
    /// Poll it outside of the threads that run the handlers: then nothing that a handler does can hold up the end.
    pub async fn run(mut self, lifecycle: &mut dyn Lifecycle, budget: impl Into<DrainBudget>) -> Drained {
        let request = self.until_stop(lifecycle).await;
        let mut budget = budget.into();
        if let Some(StopRequest { reason, killed_after }) = request {
            if let Some(limit) = killed_after {
                budget = budget.min(DrainBudget::within(limit));
            }
            tracing::info!(%reason, handlers_have = ?budget.handlers, "stopping");
        }
        let monitor = self.monitor.clone();
        let mut reports = Reports::begin(lifecycle, &monitor.status_in(Phase::Draining)).await;
        let drained = {
            let drain = self.drain(budget);
            tokio::pin!(drain);
            loop {
                tokio::select! {
                    biased;
                    drained = &mut drain => break drained,
                    again = lifecycle.stop_requested() => {
                        tracing::warn!(reason = %again.reason, "stopping at once");
                        monitor.stop.abort();
                    }
                    () = reports.due() => report(lifecycle, &monitor.status_in(Phase::Draining)).await,
                }
            }
        };
        if lifecycle.reports_every().is_some() {
            report(lifecycle, &monitor.status_in(Phase::Stopped)).await;
        }
        drained
    }

    /// The request to stop; `None` when all sources have ended by themselves.
    async fn until_stop(&mut self, lifecycle: &mut dyn Lifecycle) -> Option<StopRequest> {
        let mut reports = Reports::begin(lifecycle, &self.monitor.status()).await;
        loop {
            tokio::select! {
                biased;
                request = lifecycle.stop_requested() => return Some(request),
                () = ended(&mut self.tasks, &self.monitor) => return None,
                // It was stopped from elsewhere, or a source has failed.
                () = self.monitor.stop.draining() => return None,
                () = reports.due() => {}
            }
            report(lifecycle, &self.monitor.status()).await;
        }
    }

    /// Drains: takes no more messages, hands back what has not begun, tells the handlers, and waits for them. Attempts
    /// that have not ended when the budget's time for handlers is used up are cut off and handed back at once, without
    /// counting the attempt. With a [tracer](crate::trace), spans are exported at the end, in what is left of the
    /// budget, and for two seconds at most.
    ///
    /// A handler that blocks its thread cannot be cut off. It is left behind half a second later, even while such handlers
    /// block all threads of the runtime, as long as this future is polled by another thread (`Runtime::block_on` does).
    /// Dropping a runtime waits for such a handler: use `Runtime::shutdown_background`.
    pub async fn drain(mut self, budget: impl Into<DrainBudget>) -> Drained {
        let budget = budget.into();
        let began = Instant::now();
        let stop = self.monitor.stop.clone();
        stop.drain();
        let mut pulse = Pulse::quick();
        let mut left_behind = false;
        if !self.end_within(budget.handlers, &mut pulse).await {
            stop.abort();
            if !self.hand_back(budget.hand_back, &mut pulse).await {
                tracing::error!(
                    "some handlers block their threads and are left behind; their attempts may count as lost"
                );
                self.tasks.abort_all();
                left_behind = true;
            }
        }
        // Spans of what has just ended: in what is left of the time, since a host may kill the process after it.
        let left = budget.total().saturating_sub(began.elapsed());
        trace::flush(left.min(LONGEST_FLUSH)).await;
        let (ended, handed_back) = stop.tally();
        Drained { ended, handed_back, left_behind, failed: self.monitor.failed.load(Ordering::Relaxed) }
    }

    async fn end_within(&mut self, budget: Duration, pulse: &mut Pulse) -> bool {
        let began = Instant::now();
        let aborting = self.monitor.stop.clone();
        let time = tokio::time::sleep(budget);
        let ended = ended(&mut self.tasks, &self.monitor);
        tokio::pin!(time, ended);
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return true,
                () = &mut time => return false,
                () = aborting.aborting() => return false,
                () = pulse.beat() => {
                    if began.elapsed() >= budget.saturating_add(LATE) {
                        return false;
                    }
                }
            }
        }
    }

    /// Waits for the attempts that were cut off, as long as there is progress.
    async fn hand_back(&mut self, budget: Duration, pulse: &mut Pulse) -> bool {
        let began = Instant::now();
        let (mut settled_at, mut alive_at) = (began, began);
        let monitor = self.monitor.clone();
        let mut probe = self.runtime.spawn(async {});
        let ended = ended(&mut self.tasks, &self.monitor);
        tokio::pin!(ended);
        loop {
            tokio::select! {
                biased;
                () = &mut ended => return true,
                () = pulse.beat() => {}
            }
            if monitor.is_settling() {
                (settled_at, alive_at) = (Instant::now(), Instant::now());
            }
            if probe.is_finished() {
                alive_at = Instant::now();
                probe = self.runtime.spawn(async {});
            }
            if alive_at.elapsed() >= BLOCKED || settled_at.elapsed() >= QUIET || began.elapsed() >= budget {
                return false;
            }
        }
    }
}

/// When reports are due.
struct Reports(Option<Pulse>);

impl Reports {
    /// Makes the first one.
    async fn begin(lifecycle: &mut dyn Lifecycle, status: &Status) -> Self {
        let Some(every) = lifecycle.reports_every() else { return Self(None) };
        report(lifecycle, status).await;
        Self(Some(Pulse::every(every)))
    }

    async fn due(&mut self) {
        match &mut self.0 {
            Some(pulse) => pulse.beat().await,
            None => std::future::pending().await,
        }
    }
}

async fn report(lifecycle: &mut dyn Lifecycle, status: &Status) {
    if tokio::time::timeout(LONGEST_REPORT, lifecycle.report(status)).await.is_err() {
        tracing::debug!(phase = ?status.phase, "a report to the lifecycle took too long");
    }
}

/// Resolves when all sources have ended. One that panics ends the host, so that its supervisor starts another.
async fn ended(tasks: &mut JoinSet<()>, monitor: &Monitor) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a source panicked: the host ends");
            monitor.failed.store(true, Ordering::Relaxed);
            monitor.stop.drain();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.tasks.is_empty() {
            self.monitor.stop.abort();
            self.tasks.detach_all();
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.sources.iter().map(|source| source.name()).collect();
        f.debug_struct("Host").field("sources", &sources).finish_non_exhaustive()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}
