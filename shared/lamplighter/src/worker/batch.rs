//! Running a batch: jobs beside each other up to the function's limit, FIFO groups in order.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::Instrument;

use super::{Inner, Report, bookkeeping::Ended, intake::Claimed, verdict::End};
use crate::{
    context::{self, Context},
    delivery::Action,
    function::Function,
    ports::{Payloads, StoreError, StoreErrorKind},
};

/// Jobs that run one after the other: those of a FIFO group, or a single one.
struct Lane {
    head: Claimed,
    /// Empty for a single job, and then without an allocation of its own.
    rest: VecDeque<Claimed>,
}

/// One batch on its way through the worker.
pub(super) struct Batch<'a> {
    worker: &'a Inner,
    waiting: VecDeque<Lane>,
    /// By slot; a slot is never used twice.
    running: Vec<Option<Running>>,
    running_now: usize,
    ended: Vec<Ended>,
    /// The one call to the store that is under way. What ends meanwhile goes with the next.
    settling: Option<BoxFuture<'a, Vec<Report>>>,
    limit: usize,
    began: Instant,
    /// When no handler may run any more.
    hard: Instant,
    deadline: Instant,
    messages: (UnboundedSender<Finished>, UnboundedReceiver<Finished>),
}

struct Running {
    job: Claimed,
    /// What comes after it in its lane.
    rest: VecDeque<Claimed>,
    context: Context,
    started: Instant,
    started_at: Timestamp,
    task: AbortHandle,
}

struct Finished {
    slot: usize,
    end: End,
}

/// What a job that did not run is released with: its FIFO successors and those without time come back at once.
const AT_ONCE: Action = Action::Release(Some(Duration::ZERO));

impl<'a> Batch<'a> {
    pub(super) fn new(worker: &'a Inner, jobs: Vec<Claimed>, began: Instant, hard: Instant, deadline: Instant) -> Self {
        let mut waiting: VecDeque<Lane> = VecDeque::with_capacity(jobs.len());
        let mut groups: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
        for job in jobs {
            let group = job.ready.delivery.group.clone();
            let lane =
                group.map(|group| groups.entry((job.ready.delivery.queue.clone(), group)).or_insert(waiting.len()));
            match lane {
                Some(index) if *index < waiting.len() => waiting[*index].rest.push_back(job),
                _ => waiting.push_back(Lane { head: job, rest: VecDeque::new() }),
            }
        }
        let limit = worker.function.jobs_at_once().unwrap_or(Function::DEFAULT_CONCURRENCY);
        let running = Vec::with_capacity(waiting.len());
        let messages = mpsc::unbounded_channel();
        Self {
            worker,
            waiting,
            running,
            running_now: 0,
            ended: Vec::new(),
            settling: None,
            limit,
            began,
            hard,
            deadline,
            messages,
        }
    }

    pub(super) async fn run(mut self, sink: &mut (dyn FnMut(Vec<Report>) + Send)) {
        // Handlers end themselves at `hard`; one that blocks its thread cannot, and is left behind a little later.
        let guard = self.hard + self.deadline.saturating_duration_since(self.hard) / 4;
        let stop = self.worker.stop.clone();
        let (mut draining, mut aborting) = (false, false);
        let mut finished = Vec::new();
        loop {
            self.start_what_may_run();
            if self.settling.is_none() && !self.ended.is_empty() {
                let ended = std::mem::take(&mut self.ended);
                self.settling = Some(Box::pin(self.worker.settle(ended, self.deadline)));
            }
            if self.running_now == 0 && self.settling.is_none() {
                return;
            }
            tokio::select! {
                biased;
                reports = settled(&mut self.settling) => {
                    self.settling = None;
                    sink(reports);
                }
                count = self.messages.1.recv_many(&mut finished, 4096), if self.running_now > 0 => {
                    debug_assert!(count > 0, "this batch holds a sender itself");
                    for Finished { slot, end } in finished.drain(..) {
                        self.finish(slot, end);
                    }
                }
                () = stop.draining(), if !draining => {
                    draining = true;
                    self.hand_back_waiting();
                }
                () = stop.aborting(), if !aborting => {
                    aborting = true;
                    self.cut_off(|_| End::HandedBack);
                }
                () = sleep_until(guard), if self.running_now > 0 => {
                    self.cut_off(|running| End::TimedOut(running.started.elapsed()));
                }
            }
        }
    }

    fn start_what_may_run(&mut self) {
        if self.worker.stop.is_draining() {
            self.hand_back_waiting();
        }
        while self.running_now < self.limit {
            let Some(lane) = self.waiting.pop_front() else { return };
            let now = Instant::now();
            if self.may_start(&lane.head, now) {
                self.start(lane, now);
            } else {
                self.hand_back(lane);
            }
        }
    }

    /// A job begins when its whole timeout is left, or when the batch has just begun: it would never get more.
    fn may_start(&self, job: &Claimed, now: Instant) -> bool {
        let timeout = job.ready.route.options.attempt_timeout();
        let fresh = now.saturating_duration_since(self.began) * 10 <= self.hard.saturating_duration_since(self.began);
        now < self.hard && (fresh || now + timeout <= self.hard)
    }

    fn start(&mut self, lane: Lane, now: Instant) {
        let Lane { head: job, rest } = lane;
        let options = &job.ready.route.options;
        let end_at = (now + options.attempt_timeout()).min(self.hard);
        let started_at = self.worker.env.now();
        let left = end_at.saturating_duration_since(now);
        let context = Context::new(context::Inner {
            id: job.ready.id.clone(),
            message: job.ready.message.clone(),
            queue: job.ready.delivery.queue.clone(),
            token: job.token,
            max_attempts: options.retry_policy().max_attempts(),
            deadline: end_at,
            deadline_at: started_at.saturating_add(left).unwrap_or(Timestamp::MAX),
            stop: self.worker.stop.clone(),
            lost: OnceLock::new(),
            client: self.worker.client.clone(),
            child_client: OnceLock::new(),
            store: self.worker.backend.store.clone().filter(|_| job.tracked),
            checkpoint: job.checkpoint.clone(),
            told: Default::default(),
        });
        let span = tracing::info_span!(
            "job",
            job = job.ready.message.job,
            id = %job.ready.id,
            attempt = job.token.attempt,
            queue = &*job.ready.delivery.queue,
        );
        let slot = self.running.len();
        let future = attempt(&job, self.worker.backend.payloads.clone(), context.clone(), now, end_at);
        let tell = self.messages.0.clone();
        let task = tokio::spawn(
            async move {
                let end = future.await;
                // The batch is gone only when this attempt was given up: nobody is left to hear of it.
                let _ = tell.send(Finished { slot, end });
            }
            .instrument(span),
        );
        let task = task.abort_handle();
        self.running.push(Some(Running { job, rest, context, started: now, started_at, task }));
        self.running_now += 1;
    }

    fn finish(&mut self, slot: usize, end: End) {
        // An attempt that was cut off may have sent its end at the same moment: the first word counts.
        if let Some(running) = self.running.get_mut(slot).and_then(Option::take) {
            self.end(running, end);
        }
    }

    fn end(&mut self, running: Running, end: End) {
        self.running_now -= 1;
        let Running { job, mut rest, context, started_at, .. } = running;
        let (verdict, action) = self.worker.judge(&job, end);
        let went_well = action == Action::Ack;
        let progress = context.unwritten_progress();
        let ended_at = self.worker.env.now();
        self.ended.push(Ended { job, started_at: Some(started_at), ended_at, verdict, action, progress });
        if let Some(head) = rest.pop_front() {
            let lane = Lane { head, rest };
            if went_well {
                self.waiting.push_front(lane);
            } else {
                self.hand_back(lane);
            }
        }
    }

    fn cut_off(&mut self, end: impl Fn(&Running) -> End) {
        self.hand_back_waiting();
        for running in std::mem::take(&mut self.running).into_iter().flatten() {
            running.task.abort();
            let end = end(&running);
            self.end(running, end);
        }
        self.hand_back_waiting();
    }

    fn hand_back_waiting(&mut self) {
        while let Some(lane) = self.waiting.pop_front() {
            self.hand_back(lane);
        }
    }

    fn hand_back(&mut self, lane: Lane) {
        let now = self.worker.env.now();
        for job in [lane.head].into_iter().chain(lane.rest) {
            let (verdict, _) = self.worker.judge(&job, End::HandedBack);
            self.ended.push(Ended { job, started_at: None, ended_at: now, verdict, action: AT_ONCE, progress: None });
        }
    }
}

/// Waits for the call under way; for ever when there is none.
async fn settled(settling: &mut Option<BoxFuture<'_, Vec<Report>>>) -> Vec<Report> {
    match settling {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// The arguments that a message only refers to.
async fn fetch(payloads: Option<&dyn Payloads>, reference: &str) -> Result<Box<RawValue>, StoreError> {
    match payloads {
        Some(payloads) => payloads.get(reference).await,
        None => Err(StoreError::new(
            StoreErrorKind::Invalid,
            format_args!("they lie at {reference:?}, and no bucket for large arguments is configured here"),
        )),
    }
}

/// One execution of a handler, with whatever it does caught.
fn attempt(
    job: &Claimed,
    payloads: Option<Arc<dyn Payloads>>,
    context: Context,
    now: Instant,
    end_at: Instant,
) -> impl Future<Output = End> + Send + 'static {
    let handler = job.ready.route.handler.clone();
    let message = job.ready.message.clone();
    async move {
        let watched = context.clone();
        let run = async move {
            let args = match &message.args_at {
                None => None,
                Some(reference) => match fetch(payloads.as_deref(), reference).await {
                    Ok(args) => Some(args),
                    Err(error) => return End::NoArguments(error),
                },
            };
            let args = args.as_deref().unwrap_or(&message.args);
            match handler.as_ref().map(|handler| handler(args, context)) {
                Some(Ok(future)) => End::Returned(future.await),
                Some(Err(error)) => End::BadArguments(error),
                None => End::HandedBack,
            }
        };
        let run = async move {
            tokio::select! {
                biased;
                end = run => end,
                never = watched.watch_lease() => match never {},
            }
        };
        match timeout_at(end_at, AssertUnwindSafe(run).catch_unwind()).await {
            Ok(Ok(end)) => end,
            Ok(Err(panic)) => End::Panicked(panic),
            Err(_) => End::TimedOut(now.elapsed()),
        }
    }
}
