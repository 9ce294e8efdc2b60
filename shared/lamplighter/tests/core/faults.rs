//! Faults of a store, a queue or a bus: it refuses, is late, is silent, or loses its answers. Every delivery is still
//! answered in time, and no job is lost or run twice because of it.

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
    Cancellation, Context, EnqueueError, Enqueued, Function, JobError, JobId, JobState, ListQuery, RawValue, Record,
    State, Timestamp,
    backend::{
        Backend, Claim, ClaimRequest, Completion, CompletionResult, EnqueueRequest, Event, Events, JobData,
        LeaseStatus, Payloads, Queues, RenewRequest, Store, StoreError, Token,
    },
    env::Env,
    host::{Delivery, MessageAction, Stop, Worker},
    record::{Count, LogLine, Page},
    secs,
};
use tokio::time::{Instant, sleep};

use crate::support::{Act, Memory, act, delivery, start};

/// A call to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    Claim,
    JobData,
    Renew,
    Completion,
    Send,
    Publish,
}

/// A fault of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Refuses,
    /// It is done, and answered late.
    Late,
    /// It is not done, and never answered.
    Silent,
    /// It is done, and never answered.
    LosesAnswer,
}

const FAULTS: [Fault; 4] = [Fault::Refuses, Fault::Late, Fault::Silent, Fault::LosesAnswer];
/// Longer than any invocation here waits.
const LATE: Duration = Duration::from_secs(50);

/// A memory backend with faulty calls.
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

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("unavailable for a test"))
}

#[async_trait]
impl Queues for Faulty {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let count = submissions.len();
        let refused = || (0..count).map(|_| unavailable().map_err(Into::into)).collect();
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
        self.through(Call::Publish, done, unavailable).await
    }
}

#[async_trait]
impl Store for Faulty {
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>> {
        let count = requests.len();
        self.through(Call::Claim, self.memory.claim(requests, by), || (0..count).map(|_| unavailable()).collect()).await
    }

    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        let count = requests.len();
        self.through(Call::Completion, self.memory.settle(requests, by), || (0..count).map(|_| unavailable()).collect())
            .await
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        self.through(Call::JobData, self.memory.save_job_data(id, token, data), unavailable).await
    }

    async fn renew(&self, requests: Vec<RenewRequest>, by: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        let count = requests.len();
        self.through(Call::Renew, self.memory.renew(requests, by), || (0..count).map(|_| unavailable()).collect()).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        self.memory.get(id).await
    }

    async fn log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError> {
        self.memory.log(id).await
    }

    async fn log_operation(&self, id: &JobId, operation: &JobId, line: LogLine) -> Result<(), StoreError> {
        self.memory.log_operation(id, operation, line).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.memory.list(query).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.memory.counts().await
    }

    async fn cancel(&self, id: &JobId, cancellation: &Cancellation) -> Result<Option<JobState>, StoreError> {
        self.memory.cancel(id, cancellation).await
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.memory.retry(id).await
    }

    async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.memory.delete(id).await
    }

    async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError> {
        self.memory.reschedule(id, at).await
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.memory.mark_queued(id).await
    }
}

/// The number of executions.
type Runs = Arc<AtomicUsize>;

async fn perform(job: Act, ctx: Context, State(runs): State<Runs>) -> Result<(), JobError> {
    runs.fetch_add(1, Ordering::Relaxed);
    match job.what.split_once(' ') {
        Some(("after", ms)) => sleep(Duration::from_millis(ms.parse()?)).await,
        Some(("checkpoint", _)) => ctx.checkpoint(&1).await?,
        Some(("once", _)) if ctx.attempt() == 1 => return Err(JobError::retry("no luck")),
        Some(("fail", _)) => return Err(JobError::fail("as asked")),
        Some(("snooze-once", _)) if runs.load(Ordering::Relaxed) == 1 => return ctx.snooze(secs(3)),
        _ => {}
    }
    Ok(())
}

/// A queue, its function, and a faulty backend.
struct Bench {
    faulty: Faulty,
    runs: Runs,
    worker: Worker,
    /// The messages in the queue, each with the moment from which it can be received.
    queue: VecDeque<(Instant, Delivery)>,
    dead: Vec<Delivery>,
}

const BUDGET: Duration = Duration::from_secs(30);

impl Bench {
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

    /// One invocation with all visible messages. Asserts that it answers for all in time, with time left for the host.
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
        panic!("{} messages never end", self.queue.len());
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
async fn jobs_end_correctly_despite_any_fault_of_one_call() {
    for size in SIZES {
        for call in [Call::Claim, Call::Completion, Call::Publish] {
            for fault in FAULTS {
                for (what, state) in [("ok", "succeeded"), ("once -", "succeeded"), ("fail -", "failed")] {
                    if size > 10 && what != "once -" {
                        continue; // ten of them show the same in a fraction of the time
                    }
                    let mut bench = Bench::new(size, what);
                    bench.faulty.set(call, fault);
                    bench.invoke().await;
                    bench.faulty.heal();
                    bench.drain().await;
                    let story = format!("{size} × {what}, {call:?} {fault:?}");
                    assert_eq!(bench.states(), BTreeMap::from([(state, size)]), "{story}");
                    let runs = if what == "once -" { 2 } else { 1 };
                    let ran = bench.runs.load(Ordering::Relaxed);
                    match (call, fault) {
                        // The lease whose answer was lost had to end: that counts as an attempt, though none ran.
                        (Call::Claim, Fault::Late | Fault::LosesAnswer) if what == "once -" => assert_eq!(ran, size),
                        _ => assert_eq!(ran, size * runs, "{story}: no handler runs again because of a store"),
                    }
                    assert_eq!(bench.dead.len(), if state == "failed" { size } else { 0 }, "{story}");
                    // At least once each.
                    let published: BTreeSet<_> =
                        bench.faulty.published.lock().unwrap().iter().map(|event| event.id.to_string()).collect();
                    assert!(
                        call == Call::Publish || published.len() == bench.dead.len(),
                        "{story}: {}",
                        published.len()
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_run_again_without_store_and_queue() {
    for size in SIZES {
        for (store, queue) in
            [(Fault::Silent, Fault::Silent), (Fault::Refuses, Fault::Late), (Fault::Late, Fault::Refuses)]
        {
            let mut bench = Bench::new(size, "ok");
            bench.faulty.set(Call::Completion, store);
            bench.faulty.set(Call::Send, queue);
            bench.invoke().await;
            bench.faulty.heal();
            bench.drain().await;
            assert_eq!(bench.states(), BTreeMap::from([("succeeded", size)]), "{store:?} {queue:?}");
            assert!(bench.dead.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn early_jobs_do_not_wait_for_a_late_store() {
    let mut bench = Bench::new(0, "");
    for (n, what) in ["ok", "after 500", "after 1000"].into_iter().enumerate() {
        bench.queue.push_back((Instant::now(), act(&format!("job-{n}"), what)));
    }
    bench.faulty.set(Call::Completion, Fault::Late);
    bench.invoke().await;
    bench.faulty.heal();
    bench.drain().await;
    assert_eq!(bench.states(), BTreeMap::from([("succeeded", 3)]));
    assert_eq!(bench.runs.load(Ordering::Relaxed), 3, "finished handlers do not run again");
}

#[tokio::test(start_paused = true)]
async fn a_silent_bus_delays_no_acknowledgement() {
    let bench = Bench::new(1, "fail -");
    bench.faulty.set(Call::Publish, Fault::Silent);
    let began = Instant::now();
    let deliveries = bench.queue.iter().map(|(_, delivery)| delivery.clone()).collect();
    let answered = Mutex::new(None);
    bench.worker.process_each(deliveries, began + BUDGET, |_| *answered.lock().unwrap() = Some(began.elapsed())).await;
    assert_eq!(answered.into_inner().unwrap(), Some(Duration::ZERO));
    assert!(began.elapsed() < BUDGET);
}

#[tokio::test(start_paused = true)]
async fn retries_cannot_overtake_the_previous_settlement() {
    for what in ["once -", "snooze-once -"] {
        let mut bench = Bench::new(1, what);
        bench.faulty.set(Call::Completion, Fault::Refuses);
        bench.invoke().await;
        assert_eq!(bench.queue.len(), 1, "one message carries the settlement and the next attempt: {what}");
        // The table is unavailable for longer than the lease.
        for _ in 0..8 {
            let next = bench.queue[0].0;
            tokio::time::sleep_until(next).await;
            bench.invoke().await;
            assert_eq!((bench.queue.len(), bench.runs.load(Ordering::Relaxed)), (1, 1));
        }
        bench.faulty.heal();
        bench.drain().await;
        assert_eq!(bench.states(), BTreeMap::from([("succeeded", 1)]));
        assert_eq!(bench.runs.load(Ordering::Relaxed), 2);
        let settled = bench.faulty.memory.settled.lock().unwrap();
        let attempts: Vec<_> = settled.iter().map(|settle| settle.token.attempt).collect();
        assert_eq!(attempts, if what == "once -" { [1, 2] } else { [1, 1] }, "no attempt counts as lost");
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_wait_for_their_record() {
    let mut bench = Bench::new(1, "fail -");
    bench.faulty.set(Call::Completion, Fault::Refuses);
    bench.invoke().await;
    assert!(bench.dead.is_empty() && bench.queue.len() == 1);
    assert_eq!(bench.faulty.published.lock().unwrap().len(), 1, "its failure is published immediately");
    bench.faulty.heal();
    bench.drain().await;
    assert_eq!((bench.dead.len(), bench.runs.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn carried_settlements_delay_no_job_and_share_one_call() {
    let mut bench = Bench::new(10, "ok");
    bench.faulty.set(Call::Completion, Fault::Refuses);
    bench.invoke().await;
    assert_eq!(bench.queue.len(), 10);
    *bench.faulty.memory.settle_calls.lock().unwrap() = 0;
    bench.faulty.set(Call::Completion, Fault::Late);
    let mut batch: Vec<_> = bench.queue.drain(..).map(|(_, delivery)| delivery).collect();
    batch.push(act("fresh", "ok"));
    let began = Instant::now();
    let ran = bench.runs.clone();
    let quick = async {
        while ran.load(Ordering::Relaxed) < 11 {
            sleep(Duration::from_millis(1)).await;
        }
        began.elapsed()
    };
    let (settlements, ran_after) = tokio::join!(bench.worker.process(batch, began + BUDGET), quick);
    assert!(ran_after < Duration::from_millis(5), "the fresh job did not wait: {ran_after:?}");
    assert_eq!(settlements.len(), 11);
    assert!(began.elapsed() < BUDGET);
    assert!(*bench.faulty.memory.settle_calls.lock().unwrap() <= 4, "one call for all that came as messages");
}

#[tokio::test(start_paused = true)]
async fn unanswered_checkpoints_are_errors_not_timeouts() {
    for fault in [Fault::Silent, Fault::LosesAnswer, Fault::Late] {
        let mut bench = Bench::new(1, "checkpoint -");
        bench.faulty.memory.env = Env::driven(start(), 1);
        bench.faulty.set(Call::JobData, fault);
        let began = Instant::now();
        let deliveries = bench.queue.drain(..).map(|(_, delivery)| delivery).collect();
        let settlements = bench.worker.process(deliveries, began + secs(60)).await;
        assert_eq!(settlements[0].action, MessageAction::Retry(secs(7)));
        assert!(began.elapsed() <= secs(11), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn settlements_are_applied_before_their_job_is_claimed() {
    for (what, counted) in [("once -", [1, 2]), ("snooze-once -", [1, 1])] {
        let mut bench = Bench::new(1, what);
        for (_, delivery) in &mut bench.queue {
            delivery.group = Some("blue".into());
        }
        bench.faulty.set(Call::Completion, Fault::Refuses);
        bench.invoke().await;
        assert_eq!(bench.queue.len(), 2, "on a FIFO queue the settlement is a message outside of the group");
        bench.faulty.heal();
        // The table was unavailable for longer than the lease, and both are received in one batch.
        let last = bench.queue.iter().map(|(at, _)| *at).max().unwrap();
        tokio::time::sleep_until(last).await;
        bench.invoke().await;
        bench.drain().await;
        let settled = bench.faulty.memory.settled.lock().unwrap();
        let attempts: Vec<_> = settled.iter().map(|settle| settle.token.attempt).collect();
        assert_eq!(attempts, counted, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn claims_with_a_lost_answer_are_repeated_without_counting() {
    let mut bench = Bench::new(10, "ok");
    bench.faulty.set(Call::Claim, Fault::LosesAnswer);
    let faulty = bench.faulty.clone();
    let recovery = async {
        sleep(secs(5)).await;
        faulty.heal();
    };
    tokio::join!(bench.invoke(), recovery);
    bench.drain().await;
    assert_eq!((bench.states(), bench.runs.load(Ordering::Relaxed)), (BTreeMap::from([("succeeded", 10)]), 10));
    assert!(bench.faulty.memory.settled.lock().unwrap().iter().all(|settle| settle.token.attempt == 1));
}

/// A bucket that never answers.
struct SilentBucket;

#[async_trait]
impl Payloads for SilentBucket {
    async fn put(&self, _: &JobId, _: &RawValue, _: Option<Timestamp>) -> Result<String, StoreError> {
        std::future::pending().await
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, _: &str) -> Result<Box<RawValue>, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_with_a_silent_bucket_are_released_uncounted() {
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
