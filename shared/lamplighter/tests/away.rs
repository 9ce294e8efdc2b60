//! What happens while a store, a queue or a bus refuses, is late, is silent, or loses its answers: every answer comes
//! in time, and no job is lost or run twice for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lamplighter::{
    Context, EnqueueError, Enqueued, Function, JobError, JobId, JobState, ListQuery, RawValue, Record, State,
    Timestamp,
    backend::{
        Backend, Claim, ClaimRequest, Completion, CompletionResult, EnqueueRequest, Event, Events, JobData,
        LeaseStatus, Payloads, Queues, Store, StoreError, Token,
    },
    env::Env,
    host::{Delivery, MessageAction, Stop, Worker},
    record::{Count, Page},
    secs,
};
use tokio::time::{Instant, sleep};

use support::{Act, Memory, act, delivery, start};

/// A port's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Claim,
    JobData,
    Completion,
    Send,
    Publish,
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refuses,
    /// It is done, and said so late.
    Late,
    /// It is not done, and nothing is said.
    Silent,
    /// It is done, and nothing is said.
    LosesAnswer,
}

const FAULTS: [Fault; 4] = [Fault::Refuses, Fault::Late, Fault::Silent, Fault::LosesAnswer];
/// Later than any invocation here waits.
const LATE: Duration = Duration::from_secs(50);

/// A memory with calls that do not work.
#[derive(Clone)]
struct Faulty {
    memory: Memory,
    faults: Arc<Mutex<BTreeMap<Call, Fault>>>,
    published: Arc<Mutex<Vec<Event>>>,
}

impl Faulty {
    fn new(env: &Env) -> Self {
        Self { memory: Memory::new(env), faults: Arc::default(), published: Arc::default() }
    }

    fn set(&self, call: Call, fault: Fault) {
        self.faults.lock().unwrap().insert(call, fault);
    }

    fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    async fn through<T>(&self, call: Call, done: impl Future<Output = T>, refused: impl FnOnce() -> T) -> T {
        let fault = self.faults.lock().unwrap().get(&call).copied();
        match fault {
            None => done.await,
            Some(Fault::Refuses) => refused(),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::LosesAnswer) => {
                done.await;
                std::future::pending().await
            }
            Some(Fault::Late) => {
                let answer = done.await;
                sleep(LATE).await;
                answer
            }
        }
    }
}

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("away for a test"))
}

#[async_trait]
impl Queues for Faulty {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let count = submissions.len();
        let refused = || (0..count).map(|_| away().map_err(Into::into)).collect();
        self.through(Call::Send, self.memory.send(submissions), refused).await
    }
}

#[async_trait]
impl Events for Faulty {
    async fn publish(&self, events: Vec<Event>) -> Result<(), StoreError> {
        let done = async {
            self.published.lock().unwrap().extend(events);
            Ok(())
        };
        self.through(Call::Publish, done, away).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>> {
        let count = requests.len();
        self.through(Call::Claim, self.memory.claim(requests, by), || (0..count).map(|_| away()).collect()).await
    }

    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        let count = requests.len();
        self.through(Call::Completion, self.memory.settle(requests, by), || (0..count).map(|_| away()).collect()).await
    }

    async fn save_job_data(&self, id: &JobId, token: Token, note: JobData) -> Result<LeaseStatus, StoreError> {
        self.through(Call::JobData, self.memory.save_job_data(id, token, note), away).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        self.memory.get(id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.memory.list(query).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.memory.counts().await
    }

    async fn cancel(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.memory.cancel(id).await
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.memory.retry(id).await
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.memory.mark_queued(id).await
    }
}

/// Executions, and what a job without an answer of its own does.
type Runs = Arc<AtomicUsize>;

async fn perform(job: Act, ctx: Context, State(runs): State<Runs>) -> Result<(), JobError> {
    runs.fetch_add(1, Ordering::Relaxed);
    match job.what.split_once(' ') {
        Some(("after", ms)) => sleep(Duration::from_millis(ms.parse()?)).await,
        Some(("checkpoint", _)) => ctx.checkpoint(&1).await?,
        Some(("once", _)) if ctx.attempt() == 1 => return Err(JobError::retry("no luck")),
        Some(("fail", _)) => return Err(JobError::fail("told to")),
        Some(("snooze-once", _)) if runs.load(Ordering::Relaxed) == 1 => return ctx.snooze(secs(3)),
        _ => {}
    }
    Ok(())
}

/// A queue, its function, and the backend that does not always work.
struct Stage {
    faulty: Faulty,
    runs: Runs,
    worker: Worker,
    /// What lies in the queue, and from when on it can be received.
    queue: VecDeque<(Instant, Delivery)>,
    dead: Vec<Delivery>,
}

const BUDGET: Duration = Duration::from_secs(30);

impl Stage {
    fn new(jobs: usize, what: &str) -> Self {
        let env = Env::driven(start(), 42);
        let faulty = Faulty::new(&env);
        let runs = Runs::default();
        let function = Function::new("test").job(perform).with_state(runs.clone());
        let backend = Backend::new(Arc::new(faulty.clone()))
            .with_store(Arc::new(faulty.clone()))
            .with_events(Arc::new(faulty.clone()));
        let worker = Worker::new(function, backend, env, "test-host", Stop::new());
        let queue = (0..jobs).map(|n| (Instant::now(), act(&format!("job-{n}"), what))).collect();
        Self { faulty, runs, worker, queue, dead: Vec::new() }
    }

    /// One invocation with all that can be received. Insists that it answers for all in time, with time for the host.
    async fn invoke(&mut self) {
        let now = Instant::now();
        let mut batch = Vec::new();
        self.queue.retain(|(at, delivery)| {
            let visible = *at <= now;
            if visible {
                batch.push(delivery.clone());
            }
            !visible
        });
        let by_receipt: BTreeMap<_, _> = batch.iter().map(|one| (one.receipt.clone(), one.clone())).collect();
        let deadline = now + BUDGET;
        let settlements = self.worker.process(batch, deadline).await;
        assert!(Instant::now() <= deadline - BUDGET / 100, "with time left for the host to act");
        assert_eq!(settlements.len(), by_receipt.len(), "each delivery gets one answer");
        for settlement in settlements {
            let mut delivery = by_receipt[&settlement.receipt].clone();
            delivery.receive_count += 1;
            let delay = match settlement.action {
                MessageAction::Ack => continue,
                MessageAction::DeadLetter(_) => {
                    self.dead.push(delivery);
                    continue;
                }
                MessageAction::Retry(delay) | MessageAction::Release(Some(delay)) => delay,
                MessageAction::Release(None) => BUDGET * 6,
            };
            self.queue.push_back((Instant::now() + delay, delivery));
        }
        let sent = std::mem::take(&mut *self.faulty.memory.sent.lock().unwrap());
        for submission in sent {
            let after = submission.due_at.map_or(Duration::ZERO, |at| self.until(at));
            let body = submission.message.to_json();
            self.queue.push_back((Instant::now() + after, delivery(submission.id.as_str(), &body)));
        }
    }

    fn until(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.faulty.memory.env.now())).unwrap_or_default()
    }

    /// Invokes until nothing is left.
    async fn drain(&mut self) {
        for _ in 0..100 {
            let Some(next) = self.queue.iter().map(|(at, _)| *at).min() else { return };
            tokio::time::sleep_until(next).await;
            self.invoke().await;
        }
        panic!("{} messages never come to an end", self.queue.len());
    }

    fn states(&self) -> BTreeMap<&'static str, usize> {
        let mut states = BTreeMap::new();
        for entry in self.faulty.memory.jobs.lock().unwrap().values() {
            *states.entry(entry.state.as_str()).or_default() += 1;
        }
        states
    }
}

const SIZES: [usize; 3] = [1, 10, 10_000];

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_with_one_call_every_job_ends_as_it_should() {
    for size in SIZES {
        for call in [Call::Claim, Call::Completion, Call::Publish] {
            for fault in FAULTS {
                for (what, state) in [("ok", "succeeded"), ("once -", "succeeded"), ("fail -", "failed")] {
                    if size > 10 && what != "once -" {
                        continue; // ten of them show the same in a fraction of the time
                    }
                    let mut stage = Stage::new(size, what);
                    stage.faulty.set(call, fault);
                    stage.invoke().await;
                    stage.faulty.heal();
                    stage.drain().await;
                    let story = format!("{size} × {what}, {call:?} {fault:?}");
                    assert_eq!(stage.states(), BTreeMap::from([(state, size)]), "{story}");
                    let runs = if what == "once -" { 2 } else { 1 };
                    let ran = stage.runs.load(Ordering::Relaxed);
                    match (call, fault) {
                        // The lease that nobody knew of had to end: that was an attempt, though none that ran.
                        (Call::Claim, Fault::Late | Fault::LosesAnswer) if what == "once -" => assert_eq!(ran, size),
                        _ => assert_eq!(ran, size * runs, "{story}: no handler runs again for a store"),
                    }
                    assert_eq!(stage.dead.len(), if state == "failed" { size } else { 0 }, "{story}");
                    // At least once each.
                    let told: BTreeSet<_> =
                        stage.faulty.published.lock().unwrap().iter().map(|event| event.id.to_string()).collect();
                    assert!(call == Call::Publish || told.len() == stage.dead.len(), "{story}: {}", told.len());
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_neither_store_nor_queue_a_job_runs_again_and_none_is_lost() {
    for size in SIZES {
        for (store, queue) in
            [(Fault::Silent, Fault::Silent), (Fault::Refuses, Fault::Late), (Fault::Late, Fault::Refuses)]
        {
            let mut stage = Stage::new(size, "ok");
            stage.faulty.set(Call::Completion, store);
            stage.faulty.set(Call::Send, queue);
            stage.invoke().await;
            stage.faulty.heal();
            stage.drain().await;
            assert_eq!(stage.states(), BTreeMap::from([("succeeded", size)]), "{store:?} {queue:?}");
            assert!(stage.dead.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_that_end_early_are_answered_long_before_a_silent_store_speaks() {
    let mut stage = Stage::new(0, "");
    for (n, what) in ["ok", "after 500", "after 1000"].into_iter().enumerate() {
        stage.queue.push_back((Instant::now(), act(&format!("job-{n}"), what)));
    }
    stage.faulty.set(Call::Completion, Fault::Late);
    stage.invoke().await;
    stage.faulty.heal();
    stage.drain().await;
    assert_eq!(stage.states(), BTreeMap::from([("succeeded", 3)]));
    assert_eq!(stage.runs.load(Ordering::Relaxed), 3, "finished handlers do not run again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_bus_holds_up_nobodys_acknowledgement() {
    let stage = Stage::new(1, "fail -");
    stage.faulty.set(Call::Publish, Fault::Silent);
    let began = Instant::now();
    let deliveries = stage.queue.iter().map(|(_, delivery)| delivery.clone()).collect();
    let answered = Mutex::new(None);
    stage.worker.process_each(deliveries, began + BUDGET, |_| *answered.lock().unwrap() = Some(began.elapsed())).await;
    assert_eq!(answered.into_inner().unwrap(), Some(Duration::ZERO));
    assert!(began.elapsed() < BUDGET);
}

#[tokio::test(start_paused = true)]
async fn a_retry_cannot_overtake_the_settlement_of_the_attempt_before() {
    for what in ["once -", "snooze-once -"] {
        let mut stage = Stage::new(1, what);
        stage.faulty.set(Call::Completion, Fault::Refuses);
        stage.invoke().await;
        assert_eq!(stage.queue.len(), 1, "one message carries the settlement and the next attempt: {what}");
        // The table is away for longer than the lease.
        for _ in 0..8 {
            let next = stage.queue[0].0;
            tokio::time::sleep_until(next).await;
            stage.invoke().await;
            assert_eq!((stage.queue.len(), stage.runs.load(Ordering::Relaxed)), (1, 1));
        }
        stage.faulty.heal();
        stage.drain().await;
        assert_eq!(stage.states(), BTreeMap::from([("succeeded", 1)]));
        assert_eq!(stage.runs.load(Ordering::Relaxed), 2);
        let settled = stage.faulty.memory.settled.lock().unwrap();
        let attempts: Vec<_> = settled.iter().map(|settle| settle.token.attempt).collect();
        assert_eq!(attempts, if what == "once -" { [1, 2] } else { [1, 1] }, "no attempt is taken for lost");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_waits_for_its_record_and_says_why() {
    let mut stage = Stage::new(1, "fail -");
    stage.faulty.set(Call::Completion, Fault::Refuses);
    stage.invoke().await;
    assert!(stage.dead.is_empty() && stage.queue.len() == 1);
    assert_eq!(stage.faulty.published.lock().unwrap().len(), 1, "that it has failed is known at once");
    stage.faulty.heal();
    stage.drain().await;
    assert_eq!((stage.dead.len(), stage.runs.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn settlements_that_came_as_messages_hold_up_nobody_and_go_in_one_call() {
    let mut stage = Stage::new(10, "ok");
    stage.faulty.set(Call::Completion, Fault::Refuses);
    stage.invoke().await;
    assert_eq!(stage.queue.len(), 10);
    *stage.faulty.memory.settle_calls.lock().unwrap() = 0;
    stage.faulty.set(Call::Completion, Fault::Late);
    let mut batch: Vec<_> = stage.queue.drain(..).map(|(_, delivery)| delivery).collect();
    batch.push(Delivery { receipt: "fresh".into(), ..act("fresh", "ok") });
    let began = Instant::now();
    let ran = stage.runs.clone();
    let quick = async {
        while ran.load(Ordering::Relaxed) < 11 {
            sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    };
    let (settlements, ran_after) = tokio::join!(stage.worker.process(batch, began + BUDGET), quick);
    assert!(ran_after < Duration::from_millis(5), "the fresh job did not wait: {ran_after:?}");
    assert_eq!(settlements.len(), 11);
    assert!(began.elapsed() < BUDGET);
    assert!(*stage.faulty.memory.settle_calls.lock().unwrap() <= 4, "one call for all that came as messages");
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_gets_no_answer_is_an_error_and_not_a_timeout() {
    for fault in [Fault::Silent, Fault::LosesAnswer, Fault::Late] {
        let mut stage = Stage::new(1, "checkpoint -");
        stage.faulty.memory.env = Env::driven(start(), 1);
        stage.faulty.set(Call::JobData, fault);
        let began = Instant::now();
        let deliveries = stage.queue.drain(..).map(|(_, delivery)| delivery).collect();
        let settlements = stage.worker.process(deliveries, began + secs(60)).await;
        assert_eq!(settlements[0].action, MessageAction::Retry(secs(7)));
        assert!(began.elapsed() <= secs(11), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_with_its_jobs_message_a_settlement_comes_first() {
    for (what, counted) in [("once -", [1, 2]), ("snooze-once -", [1, 1])] {
        let mut stage = Stage::new(1, what);
        for (_, delivery) in &mut stage.queue {
            delivery.group = Some("blue".into());
        }
        stage.faulty.set(Call::Completion, Fault::Refuses);
        stage.invoke().await;
        assert_eq!(stage.queue.len(), 2, "on a FIFO queue the settlement travels beside its group");
        stage.faulty.heal();
        // The table was away for longer than the lease, and everything is received at once.
        let last = stage.queue.iter().map(|(at, _)| *at).max().unwrap();
        tokio::time::sleep_until(last).await;
        stage.invoke().await;
        stage.drain().await;
        let settled = stage.faulty.memory.settled.lock().unwrap();
        let attempts: Vec<_> = settled.iter().map(|settle| settle.token.attempt).collect();
        assert_eq!(attempts, counted, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_once_is_known_again_and_is_no_attempt() {
    let mut stage = Stage::new(10, "ok");
    stage.faulty.set(Call::Claim, Fault::LosesAnswer);
    let faulty = stage.faulty.clone();
    let soon_well = async {
        sleep(secs(5)).await;
        faulty.heal();
    };
    tokio::join!(stage.invoke(), soon_well);
    stage.drain().await;
    assert_eq!((stage.states(), stage.runs.load(Ordering::Relaxed)), (BTreeMap::from([("succeeded", 10)]), 10));
    assert!(stage.faulty.memory.settled.lock().unwrap().iter().all(|settle| settle.token.attempt == 1));
}

/// A bucket that takes calls and answers none.
struct SilentBucket;

#[async_trait]
impl Payloads for SilentBucket {
    async fn put(&self, _: &JobId, _: &RawValue, _: Option<Timestamp>) -> Result<String, StoreError> {
        std::future::pending().await
    }

    async fn get(&self, _: &str) -> Result<Box<RawValue>, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_bucket_puts_a_job_back_uncounted() {
    let env = Env::driven(start(), 42);
    let memory = Memory::new(&env);
    let function = Function::new("test").job(perform).with_state(Runs::default());
    let worker =
        Worker::new(function, memory.backend().with_payloads(Arc::new(SilentBucket)), env, "test-host", Stop::new());
    let body = r#"{"job":"test.act","id":"a","args_at":"args/a"}"#;
    let settlements = worker.process(vec![delivery("a", body)], Instant::now() + BUDGET).await;
    assert_eq!(settlements[0].action, MessageAction::Release(Some(secs(2))));
    assert_eq!(memory.jobs.lock().unwrap()["a"].attempt, 0);
}
