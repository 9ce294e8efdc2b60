//! A day of scale-in, rolling deployments, kills and messages that come twice, in virtual time: workers come and go over one
//! queue, and no job runs twice to its end, nor waits for longer than a dead worker's lease.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::Memory;
use async_trait::async_trait;
use lamplighter::{
    Cancellation, Context, Function, Job, JobError, JobId, JobState, ListQuery, Options, Queue, QueueHost, Record,
    Retry, State, Timestamp,
    backend::{
        Backend, Claim, ClaimRequest, Completion, CompletionResult, JobData, LeaseStatus, RenewRequest, Store,
        StoreError, Token,
    },
    env::Env,
    host::{Delivery, Disposition, Host, MessageAction, Running, Source, Stop, Worker},
    hours, mins,
    record::{Count, LogLine, Page},
    secs,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// How long a worker's leases last.
const LEASE: Duration = secs(60);
/// How often an idle worker looks.
const POLL: Duration = secs(1);
/// The time between one job and the next.
const EVERY: Duration = secs(20);
/// The pools of workers are between these.
const WORKERS: (usize, usize) = (2, 6);
/// Jobs of one worker at a time: more than there ever are, so that a job waits for a lease only.
const PERMITS: usize = 200;

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Work {
    secs: u64,
}

impl Job for Work {
    const NAME: &'static str = "test.work";
    const QUEUE: Queue = crate::support::QUEUE.host(QueueHost::Worker);

    fn options() -> Options {
        Options::new().timeout(hours(2)).retry(Retry::fixed(secs(5)).attempts(1000))
    }
}

/// What happened to a job, as its handler and the world saw it.
#[derive(Debug, Default)]
struct Life {
    /// When it became free to run: enqueued, handed back, or its worker was killed.
    free: Option<Instant>,
    waits: Vec<Duration>,
    running: Option<u64>,
    completed: usize,
}

/// The lives of all jobs, by id.
type Lives = Arc<Mutex<BTreeMap<String, Life>>>;

/// What a handler knows of its worker: its number, and its death.
#[derive(Clone)]
struct Here {
    worker: u64,
    dead: CancellationToken,
    lives: Lives,
}

async fn work(job: Work, ctx: Context, State(here): State<Here>) -> Result<(), JobError> {
    let change = |change: &mut dyn FnMut(&mut Life)| {
        change(here.lives.lock().unwrap().get_mut(ctx.id().as_str()).unwrap());
    };
    change(&mut |life| {
        assert_eq!(life.running.replace(here.worker), None, "two workers run {}", ctx.id());
        life.waits.extend(life.free.take().map(|free| free.elapsed()));
    });
    // Where it is dropped, it was cut off and handed back.
    let handed_back = HandedBack { lives: here.lives.clone(), id: ctx.id().to_string(), dead: here.dead.clone() };
    tokio::select! {
        biased;
        () = here.dead.cancelled() => std::future::pending().await,
        () = sleep(secs(job.secs)) => {}
    }
    change(&mut |life| {
        life.running = None;
        life.completed += 1;
    });
    std::mem::forget(handed_back);
    Ok(())
}

struct HandedBack {
    lives: Lives,
    id: String,
    dead: CancellationToken,
}

impl Drop for HandedBack {
    fn drop(&mut self) {
        // The dead drop nothing: the kill itself has said when.
        if !self.dead.is_cancelled()
            && let Some(life) = self.lives.lock().unwrap().get_mut(&self.id)
        {
            (life.running, life.free) = (None, Some(Instant::now()));
        }
    }
}

/// A queue as SQS is: what is received is hidden for a while.
#[derive(Default)]
struct SimQueue(Mutex<BTreeMap<u64, Message>>);

struct Message {
    body: String,
    visible_at: Instant,
    receives: u32,
}

impl SimQueue {
    fn send(&self, number: u64, body: String) {
        let message = Message { body, visible_at: Instant::now(), receives: 0 };
        self.0.lock().unwrap().insert(number, message);
    }

    fn receive(&self, most: usize) -> Vec<Delivery> {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap();
        let visible = all.iter_mut().filter(|(_, message)| message.visible_at <= now).take(most);
        let received = visible.map(|(number, message)| {
            message.visible_at = now + LEASE;
            message.receives += 1;
            let receipt = format!("{number}#{}", message.receives);
            let mut delivery = Delivery::new("test", number.to_string(), receipt, message.body.clone());
            delivery.receive_count = message.receives;
            delivery
        });
        received.collect()
    }

    /// Delivers a message that is in flight once more, as a standard queue may.
    fn deliver_again(&self, chance: usize) {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap();
        let in_flight: Vec<_> = all.values_mut().filter(|message| message.visible_at > now).collect();
        let index = chance % in_flight.len().max(1);
        if let Some(message) = in_flight.into_iter().nth(index) {
            message.visible_at = now;
        }
    }

    /// Changes a message, if this is still its receipt.
    fn change(&self, receipt: &str, change: Option<Duration>) {
        let (number, receive) = receipt.split_once('#').unwrap();
        let (number, receive): (u64, u32) = (number.parse().unwrap(), receive.parse().unwrap());
        let mut all = self.0.lock().unwrap();
        let Some(message) = all.get_mut(&number).filter(|message| message.receives == receive) else { return };
        match change {
            Some(delay) => message.visible_at = Instant::now() + delay,
            None => drop(all.remove(&number)),
        }
    }
}

/// A worker's messages: polled with permits, kept hidden while they run.
struct SimSource {
    queue: Arc<SimQueue>,
    worker: Worker,
    dead: CancellationToken,
}

#[async_trait]
impl Source for SimSource {
    fn name(&self) -> String {
        "a simulated queue".into()
    }

    async fn run(&self, stop: &Stop) {
        let flight = Arc::new(Mutex::new(Vec::<String>::new()));
        let mut batches = JoinSet::new();
        let mut beats = tokio::time::interval(LEASE / 3);
        loop {
            let free = PERMITS.saturating_sub(flight.lock().unwrap().len());
            if !stop.is_draining() && !self.dead.is_cancelled() {
                let deliveries = self.queue.receive(free.min(10));
                if !deliveries.is_empty() {
                    flight.lock().unwrap().extend(deliveries.iter().map(|one| one.receipt.clone()));
                    batches.spawn(batch(self.worker.clone(), self.queue.clone(), flight.clone(), deliveries));
                    continue;
                }
            }
            tokio::select! {
                biased;
                // The operating system takes everything.
                () = self.dead.cancelled() => return,
                _ = beats.tick() => {
                    for receipt in &*flight.lock().unwrap() {
                        self.queue.change(receipt, Some(LEASE));
                    }
                }
                ended = batches.join_next(), if !batches.is_empty() => ended.unwrap().unwrap(),
                () = std::future::ready(()), if stop.is_draining() && batches.is_empty() => return,
                () = stop.draining(), if !stop.is_draining() => {}
                () = sleep(POLL) => {}
            }
        }
    }
}

async fn batch(worker: Worker, queue: Arc<SimQueue>, flight: Arc<Mutex<Vec<String>>>, deliveries: Vec<Delivery>) {
    let sink = |lot: Vec<Disposition>| {
        for Disposition { receipt, action, .. } in lot {
            flight.lock().unwrap().retain(|one| *one != receipt);
            match action {
                MessageAction::Ack => queue.change(&receipt, None),
                MessageAction::Retry(delay) | MessageAction::Release(Some(delay)) => {
                    queue.change(&receipt, Some(delay));
                }
                MessageAction::Release(None) => {}
                MessageAction::DeadLetter(cause) => panic!("{cause:?}"),
            }
        }
    };
    worker.process_each(deliveries, Instant::now() + hours(2) + mins(1), sink).await;
}

/// The store as a worker reaches it. A dead worker reaches nothing.
struct Reach {
    store: Memory,
    dead: CancellationToken,
}

impl Reach {
    async fn alive(&self) {
        if self.dead.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Store for Reach {
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>> {
        self.alive().await;
        self.store.claim(requests, by).await
    }

    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        self.alive().await;
        self.store.settle(requests, by).await
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        self.alive().await;
        self.store.save_job_data(id, token, data).await
    }

    async fn renew(&self, requests: Vec<RenewRequest>, by: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        self.alive().await;
        self.store.renew(requests, by).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        self.store.get(id).await
    }

    async fn log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError> {
        self.store.log(id).await
    }

    async fn log_operation(&self, id: &JobId, operation: &JobId, line: LogLine) -> Result<(), StoreError> {
        self.store.log_operation(id, operation, line).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.store.list(query).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        self.store.counts().await
    }

    async fn cancel(&self, id: &JobId, cancellation: &Cancellation) -> Result<Option<JobState>, StoreError> {
        self.store.cancel(id, cancellation).await
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.store.retry(id).await
    }

    async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.store.delete(id).await
    }

    async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError> {
        self.store.reschedule(id, at).await
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.store.mark_queued(id).await
    }
}

/// The world: one queue, one store, and workers that come and go.
struct World {
    env: Env,
    store: Memory,
    queue: Arc<SimQueue>,
    lives: Lives,
    workers: Vec<(u64, Running, CancellationToken)>,
    drains: JoinSet<()>,
    started: u64,
    kills: usize,
    drained: usize,
}

impl World {
    fn start(&mut self) {
        self.started += 1;
        let (worker, dead, stop) = (self.started, CancellationToken::new(), Stop::new());
        let here = Here { worker, dead: dead.clone(), lives: self.lives.clone() };
        let function = Function::new("test").job(work).with_state(here);
        let reach = Reach { store: self.store.clone(), dead: dead.clone() };
        let backend = Backend::new(Arc::new(self.store.clone())).with_store(Arc::new(reach));
        let name = format!("worker {worker}");
        let worker_of = Worker::with_lease(function, backend, self.env.clone(), name, stop.clone(), LEASE);
        let source = SimSource { queue: self.queue.clone(), worker: worker_of, dead: dead.clone() };
        self.workers.push((worker, Host::new(stop).source(source).start(), dead));
    }

    /// Ends a worker in order, in the background.
    fn drain(&mut self, index: usize, budget: Duration) {
        let (_, running, _) = self.workers.remove(index);
        self.drained += 1;
        self.drains.spawn(async move { assert!(!running.drain(budget).await.left_behind) });
    }

    fn kill(&mut self, index: usize) {
        let (worker, running, dead) = self.workers.remove(index);
        self.kills += 1;
        let now = Instant::now();
        for life in self.lives.lock().unwrap().values_mut().filter(|life| life.running == Some(worker)) {
            (life.running, life.free) = (None, Some(now));
        }
        dead.cancel();
        // Its process is gone, and nothing of it is handed back.
        std::mem::forget(running);
    }

    fn enqueue(&self, number: u64) {
        let secs = match self.env.random.next_u64() % 20 {
            0 => 600 + self.env.random.next_u64() % 1200,
            1..=3 => 60,
            _ => self.env.random.next_u64() % 5,
        };
        let id = format!("job-{number}");
        let life = Life { free: Some(Instant::now()), ..Life::default() };
        self.lives.lock().unwrap().insert(id.clone(), life);
        let body = serde_json::json!({ "job": Work::NAME, "id": id, "args": { "secs": secs } });
        self.queue.send(number, body.to_string());
    }
}

async fn a_day(seed: u64) {
    let env = Env::driven(crate::support::start(), seed);
    let mut world = World {
        store: Memory::new(&env),
        env: env.clone(),
        queue: Arc::default(),
        lives: Lives::default(),
        workers: Vec::new(),
        drains: JoinSet::new(),
        started: 0,
        kills: 0,
        drained: 0,
    };
    for _ in 0..WORKERS.0 {
        world.start();
    }
    let chance = |of: u64| env.random.next_u64() % of;
    let end = Instant::now() + hours(24);
    let mut number = 0;
    while Instant::now() < end {
        world.enqueue(number);
        number += 1;
        let index = usize::try_from(chance(64)).unwrap() % world.workers.len();
        match chance(60) {
            // A deployment replaces a worker: the next is there before this one goes.
            0 | 1 => {
                world.start();
                world.drain(index, secs(chance(60)));
            }
            2 if world.workers.len() > WORKERS.0 => world.drain(index, secs(chance(60))),
            3 if world.workers.len() < WORKERS.1 => world.start(),
            4 => {
                world.kill(index);
                world.start();
            }
            5..=9 => world.queue.deliver_again(usize::try_from(chance(64)).unwrap()),
            _ => {}
        }
        sleep(EVERY).await;
    }
    // What still runs comes to its end.
    sleep(hours(2)).await;
    while world.drains.join_next().await.is_some() {}
    let lives = world.lives.lock().unwrap();
    assert!(world.kills > 30 && world.drained > 80, "{} kills, {} drains", world.kills, world.drained);
    let mut longest = Duration::ZERO;
    for (id, life) in &*lives {
        assert_eq!(life.completed, 1, "seed {seed}: {id} {life:?}");
        longest = longest.max(life.waits.iter().copied().max().unwrap_or_default());
    }
    assert!(world.queue.0.lock().unwrap().is_empty(), "every message is acknowledged");
    // A lease, the second beyond it that a worker waits, and a look.
    let most = LEASE + secs(1) + POLL * 2;
    assert!(longest <= most, "seed {seed}: a job waited for {longest:?}");
    assert!(lives.values().any(|life| life.waits.len() > 1), "some were interrupted");
}

#[tokio::test(start_paused = true)]
async fn a_day_of_scale_in_deployments_and_kills_runs_each_job_to_its_end_once() {
    for seed in 1..=2 {
        a_day(seed).await;
    }
}
