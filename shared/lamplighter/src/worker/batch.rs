//! Running a batch: jobs beside each other up to the function's limit, FIFO groups in order.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{Arc, OnceLock},
    task::Poll,
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::AbortHandle,
    time::{Instant, sleep_until},
};
use tracing::{Instrument, Span};

use super::{
    Inner, Report,
    attempt::attempt,
    bookkeeping::{EndedAttempt, Recorded},
    budget::Budget,
    decision::AttemptEnd,
    intake::{AT_ONCE, Admitted, Claimed},
    renewal::Lost,
};
use crate::{
    context::{self, Context},
    delivery::MessageAction,
    function::Function,
    ports::{Event, RenewRequest},
    running_job::{JOB_SPAN, RunningJob},
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
    ended: Vec<EndedAttempt>,
    /// The one call to the store that is under way. What ends meanwhile goes with the next.
    settling: Option<BoxFuture<'a, Recorded>>,
    /// Jobs that come later, since the settlement of their last attempt is written down first.
    expected: Option<BoxFuture<'a, Admitted>>,
    /// Events on their way. No answer waits for them.
    publishing: FuturesUnordered<BoxFuture<'a, ()>>,
    /// The renewal of leases that is under way, and when the next one begins.
    renewing: Option<BoxFuture<'a, Lost>>,
    renew_at: Option<Instant>,
    limit: usize,
    budget: Budget,
    /// The span in which it was received.
    around: Arc<Span>,
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
    end: AttemptEnd,
    at: Ended,
}

/// When an attempt ended, and how long it ran.
struct Ended {
    at: Timestamp,
    took: Duration,
}

impl Ended {
    fn now(context: &Context, started: Instant) -> Self {
        Self { at: context.env().now(), took: started.elapsed() }
    }
}

/// How many attempts are settled in one turn.
const MOST_AT_ONCE: usize = 4096;

impl<'a> Batch<'a> {
    pub(super) fn new(worker: &'a Inner, budget: Budget) -> Self {
        Self {
            worker,
            waiting: VecDeque::new(),
            running: Vec::new(),
            running_now: 0,
            ended: Vec::new(),
            settling: None,
            expected: None,
            publishing: FuturesUnordered::new(),
            renewing: None,
            renew_at: worker.renews_every().map(|every| Instant::now() + every),
            limit: worker.function.spec().concurrency.unwrap_or(Function::DEFAULT_CONCURRENCY),
            budget,
            around: Arc::new(Span::current()),
            messages: mpsc::unbounded_channel(),
        }
    }

    /// Jobs will come when this ends.
    pub(super) fn expect(&mut self, admitted: BoxFuture<'a, Admitted>) {
        self.expected = Some(admitted);
    }

    /// Takes jobs in, and gives the answers for those that may not run.
    pub(super) fn admit(&mut self, admitted: Admitted, sink: &mut (dyn FnMut(Vec<Report>) + Send)) {
        let Admitted { jobs, held_back, reports, events } = admitted;
        self.publish(events);
        if !reports.is_empty() {
            sink(reports);
        }
        for head in held_back {
            self.hand_back(Lane { head, rest: VecDeque::new() });
        }
        self.waiting.reserve(jobs.len());
        self.running.reserve(jobs.len());
        let mut groups: HashMap<(Arc<str>, Arc<str>), usize> = HashMap::new();
        for job in jobs {
            let group = job.ready.delivery.group.clone();
            let lane = group
                .map(|group| *groups.entry((job.ready.delivery.queue.clone(), group)).or_insert(self.waiting.len()));
            match lane {
                Some(index) if index < self.waiting.len() => self.waiting[index].rest.push_back(job),
                _ => self.waiting.push_back(Lane { head: job, rest: VecDeque::new() }),
            }
        }
    }

    pub(super) async fn run(mut self, sink: &mut (dyn FnMut(Vec<Report>) + Send)) {
        let stop = self.worker.stop.clone();
        let (mut draining, mut aborting) = (false, false);
        let mut finished = Vec::new();
        loop {
            self.start_what_may_run();
            if self.settling.is_none() && !self.ended.is_empty() {
                let ended = std::mem::take(&mut self.ended);
                self.settling = Some(Box::pin(self.worker.settle(ended, self.budget)));
            }
            let idle = self.running_now == 0 && self.settling.is_none() && self.expected.is_none();
            if idle && self.publishing.is_empty() {
                return;
            }
            tokio::select! {
                biased;
                settled = settled(&mut self.settling) => {
                    self.settling = None;
                    self.go_on(settled, sink);
                }
                admitted = settled(&mut self.expected) => {
                    self.expected = None;
                    self.admit(admitted, sink);
                }
                count = self.messages.1.recv_many(&mut finished, MOST_AT_ONCE), if self.running_now > 0 => {
                    debug_assert!(count > 0, "this batch holds a sender itself");
                    self.gather(&mut finished).await;
                    self.ended.reserve(finished.len());
                    for Finished { slot, end, at } in finished.drain(..) {
                        self.finish(slot, end, at);
                    }
                }
                _ = self.publishing.next(), if !self.publishing.is_empty() => {}
                lost = settled(&mut self.renewing) => {
                    self.renewing = None;
                    self.have_lost(&lost);
                }
                () = sleep_until(self.renew_at.unwrap_or(self.budget.deadline)),
                    if self.renew_at.is_some() && self.renewing.is_none() && self.running_now > 0 => self.renew(),
                () = stop.draining(), if !draining => {
                    draining = true;
                    self.hand_back_waiting();
                }
                () = stop.aborting(), if !aborting => {
                    aborting = true;
                    self.cut_off(|_| AttemptEnd::HandedBack);
                }
                // Handlers end themselves before this; one that blocks its thread cannot, and is left behind.
                () = sleep_until(self.budget.cut_off), if self.running_now > 0 => {
                    self.cut_off(|running| AttemptEnd::TimedOut {
                        after: running.started.elapsed(),
                        advanced: running.context.has_advanced(),
                    });
                }
                () = sleep_until(self.budget.answers_end), if idle => return,
            }
        }
    }

    /// Adds the attempts that end in this turn of the scheduler, so that they are settled together. The first one wakes the
    /// batch before the others have been polled.
    async fn gather(&mut self, finished: &mut Vec<Finished>) {
        if finished.len() < self.running_now {
            others_first().await;
            while finished.len() < MOST_AT_ONCE
                && let Ok(one) = self.messages.1.try_recv()
            {
                finished.push(one);
            }
        }
    }

    fn renew(&mut self) {
        self.renew_at = self.worker.renews_every().map(|every| Instant::now() + every);
        let Some(lease) = self.worker.lease else { return };
        let lease_until = self.worker.env.now().saturating_add(lease).unwrap_or(Timestamp::MAX);
        let running = self.running.iter().enumerate();
        let running =
            running.filter_map(|(slot, running)| Some((slot, running.as_ref().filter(|one| one.job.tracked)?)));
        let requests: (Vec<_>, Vec<_>) = running
            .map(|(slot, Running { job, .. })| {
                let mut request = RenewRequest::new(job.ready.id.clone(), job.token, lease_until);
                request.limits = job.limits.clone();
                (slot, request)
            })
            .unzip();
        if !requests.0.is_empty() {
            self.renewing = Some(Box::pin(self.worker.renew(requests)));
        }
    }

    /// Tells handlers that their attempts have lost their leases: they end, and what they return changes nothing.
    fn have_lost(&self, slots: &[usize]) {
        for running in slots.iter().filter_map(|slot| self.running.get(*slot)?.as_ref()) {
            running.context.lease_is_lost();
        }
    }

    /// The answers of jobs that have ended, and the next of their groups.
    fn go_on(&mut self, settled: Recorded, sink: &mut (dyn FnMut(Vec<Report>) + Send)) {
        let Recorded { reports, events, behind, .. } = settled;
        self.publish(events);
        for (mut rest, deleted) in behind {
            let Some(head) = rest.pop_front() else { continue };
            let lane = Lane { head, rest };
            if deleted {
                self.waiting.push_front(lane);
            } else {
                self.hand_back(lane);
            }
        }
        if !reports.is_empty() {
            sink(reports);
        }
    }

    fn publish(&mut self, events: Vec<Event>) {
        if !events.is_empty() {
            self.publishing.push(Box::pin(self.worker.publish(events, self.budget.answers_end)));
        }
    }

    fn start_what_may_run(&mut self) {
        if self.worker.stop.is_draining() {
            self.hand_back_waiting();
        }
        if self.waiting.is_empty() {
            return;
        }
        let (now, at) = (Instant::now(), self.worker.env.now());
        while self.running_now < self.limit {
            let Some(lane) = self.waiting.pop_front() else { return };
            if self.may_start(&lane.head, now) {
                self.start(lane, now, at);
            } else {
                self.hand_back(lane);
            }
        }
    }

    /// A job begins when its whole timeout is left, or when the batch has just begun: it would never get more.
    fn may_start(&self, job: &Claimed, now: Instant) -> bool {
        let timeout = job.ready.route.options.timeout;
        let Budget { began, handlers_end, .. } = self.budget;
        let fresh = now.saturating_duration_since(began) * 10 <= handlers_end.saturating_duration_since(began);
        now < handlers_end && (fresh || now + timeout <= handlers_end)
    }

    fn start(&mut self, lane: Lane, now: Instant, started_at: Timestamp) {
        let Lane { head: job, rest } = lane;
        let options = &job.ready.route.options;
        let end_at = (now + options.timeout).min(self.budget.handlers_end);
        let left = end_at.saturating_duration_since(now);
        let context = Context::new(context::Inner {
            id: job.ready.id.clone(),
            message: job.ready.message.clone(),
            fetched_args: OnceLock::new(),
            queue: job.ready.delivery.queue.clone(),
            receives: if job.ready.delivery.receipt.is_empty() { 0 } else { job.ready.delivery.receive_count },
            token: job.token,
            max_attempts: options.retry.max_attempts(),
            deadline: end_at,
            deadline_at: started_at.saturating_add(left).unwrap_or(Timestamp::MAX),
            stop: self.worker.stop.clone(),
            lost: OnceLock::new(),
            is_renewed: self.worker.renews_every().is_some(),
            client: self.worker.client.clone(),
            child_client: OnceLock::new(),
            trace: OnceLock::new(),
            store: self.worker.backend.store.clone().filter(|_| job.tracked),
            checkpoint: job.checkpoint.clone(),
            advanced: Default::default(),
            progress: Default::default(),
            route: job.ready.route.clone(),
            log: OnceLock::new(),
        });
        let span = tracing::info_span!(
            target: JOB_SPAN,
            "job",
            job = job.ready.message.job,
            id = %job.ready.id,
            attempt = job.token.attempt,
            queue = &*job.ready.delivery.queue,
        );
        let slot = self.running.len();
        let future = attempt(&job, self.worker.backend.payloads.as_ref(), context.clone(), now, end_at);
        let (tell, observed) = (self.messages.0.clone(), context.clone());
        let running = RunningJob { context: context.clone(), around: self.around.clone() };
        let task = tokio::spawn(
            running
                .scope(async move {
                    let end = future.await;
                    let at = Ended::now(&observed, now);
                    // The batch is gone only when this attempt was given up: nobody is left to hear of it.
                    let _ = tell.send(Finished { slot, end, at });
                })
                .instrument(span),
        );
        let task = task.abort_handle();
        self.running.push(Some(Running { job, rest, context, started: now, started_at, task }));
        self.running_now += 1;
    }

    fn finish(&mut self, slot: usize, end: AttemptEnd, at: Ended) {
        // An attempt that was cut off may have sent its end at the same moment: the first word counts.
        if let Some(running) = self.running.get_mut(slot).and_then(Option::take) {
            self.end(running, end, at);
        }
    }

    fn end(&mut self, running: Running, end: AttemptEnd, at: Ended) {
        self.running_now -= 1;
        let Running { job, mut rest, context, started_at, .. } = running;
        let (decision, action) = self.worker.decide(&job, context.args(), end);
        if action != MessageAction::Ack
            && let Some(head) = rest.pop_front()
        {
            self.hand_back(Lane { head, rest: std::mem::take(&mut rest) });
        }
        let (progress, log) = (context.unwritten_progress(), context.unwritten_log());
        self.ended.push(EndedAttempt {
            job,
            started_at: Some(started_at),
            took: Some(at.took),
            ended_at: at.at,
            decision,
            action,
            progress,
            log,
            behind: rest,
        });
    }

    fn cut_off(&mut self, end: impl Fn(&Running) -> AttemptEnd) {
        self.hand_back_waiting();
        for running in std::mem::take(&mut self.running).into_iter().flatten() {
            running.task.abort();
            let (end, at) = (end(&running), Ended::now(&running.context, running.started));
            self.end(running, end, at);
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
            let (decision, _) = self.worker.decide(&job, &job.ready.message.args, AttemptEnd::HandedBack);
            self.ended.push(EndedAttempt {
                job,
                started_at: None,
                took: None,
                ended_at: now,
                decision,
                action: AT_ONCE,
                progress: None,
                log: Vec::new(),
                behind: VecDeque::new(),
            });
        }
    }
}

/// Lets the tasks run that are ready. Unlike with `tokio::task::yield_now`, the batch waits in the scheduler's queue, from
/// which another thread takes it where a handler blocks this one.
async fn others_first() {
    let mut has_waited = false;
    poll_fn(|cx| match std::mem::replace(&mut has_waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Waits for a call under way; for ever when there is none.
async fn settled<T>(call: &mut Option<BoxFuture<'_, T>>) -> T {
    match call {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
