//! Proves every behaviour of the embedded backend: in memory with a clock that jumps from event to event, and in a file
//! with the machine's clock.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{
    Function, JobId, Queue, ScheduledJob, Timestamp,
    backend::{Backend, DeadLetterQuery, Operator},
    env::Env,
    host::Stop,
    outbox::OutboxEntry,
};
use lamplighter_embedded::{
    Engine, Running, Settings, SqliteBackend,
    outbox::{self, Outbox},
};
use lamplighter_tests::conformance::{AT_ONCE, Ahead, BEHAVIOURS, Behaviour, CHAIN, DeadLetter, PLAIN, Subject};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{runtime::Builder, sync::Mutex};

struct OnOneMachine {
    embedded: SqliteBackend,
    /// The clock, unless it is tokio's.
    clock: Option<Ahead>,
    deployed: Mutex<Vec<ScheduledJob>>,
    running: Mutex<Option<Running>>,
    /// The caller's own database.
    shop: tempfile::TempDir,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

impl OnOneMachine {
    async fn new(embedded: SqliteBackend, clock: Option<Ahead>) -> Outcome<Arc<Self>> {
        embedded.declare(&[PLAIN, CHAIN]).await?;
        let shop = tempfile::tempdir()?;
        outbox::create(&rusqlite::Connection::open(shop.path().join("shop.db"))?)?;
        Ok(Arc::new(Self { embedded, clock, deployed: Mutex::default(), running: Mutex::default(), shop }))
    }

    fn shop(&self) -> PathBuf {
        self.shop.path().join("shop.db")
    }

    /// Changes the caller's own database in a transaction.
    fn change(&self, change: impl FnOnce(&rusqlite::Transaction<'_>), is_committed: bool) -> rusqlite::Result<()> {
        let mut shop = rusqlite::Connection::open(self.shop())?;
        shop.busy_timeout(Duration::from_secs(60))?;
        let tx = shop.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        change(&tx);
        if is_committed { tx.commit() } else { tx.rollback() }
    }
}

#[async_trait]
#[expect(clippy::expect_used, reason = "a behaviour cannot be shown on a backend that does not work at all")]
impl Subject for OnOneMachine {
    fn env(&self) -> Env {
        self.embedded.env().clone()
    }

    async fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.pass(time),
            None => tokio::time::sleep(time).await,
        }
    }

    fn backend(&self) -> Backend {
        self.embedded.backend()
    }

    async fn operator(&self) -> Arc<dyn Operator> {
        self.embedded.operator()
    }

    async fn deploy(&self, schedules: Vec<ScheduledJob>) {
        *self.deployed.lock().await = schedules;
    }

    async fn start(&self, function: Function) {
        let schedules = self.deployed.lock().await.clone();
        let engine = Engine::builder(&self.embedded).function(function).schedules(schedules);
        let running = engine.start().await.expect("an engine");
        *self.running.lock().await = Some(running);
    }

    async fn stop(&self, budget: Duration) {
        if let Some(running) = self.running.lock().await.take() {
            running.drain(budget).await;
        }
    }

    async fn inject(&self, queue: Queue, body: &str) {
        self.embedded.send_raw(queue.name(), body).await.expect("sent");
    }

    async fn write_entries(&self, entries: &[OutboxEntry]) {
        let write = |tx: &rusqlite::Transaction<'_>| {
            for entry in entries {
                outbox::enqueue_entry(tx, entry).expect("written");
            }
        };
        self.change(write, true).expect("committed");
    }

    async fn write_entry(&self, entry: &OutboxEntry, is_committed: bool) {
        let write = |tx: &rusqlite::Transaction<'_>| drop(outbox::enqueue_entry(tx, entry).expect("written"));
        self.change(write, is_committed).expect("ended");
    }

    async fn write_text(&self, id: &JobId, text: &str) {
        let write = |tx: &rusqlite::Transaction<'_>| {
            tx.execute(outbox::INSERT, (id.as_str(), text)).expect("written");
        };
        self.change(write, true).expect("committed");
    }

    async fn sweep(&self) {
        Outbox::new(self.shop()).sweep(&self.client()).await.expect("swept");
    }

    async fn failed_entries(&self) -> Vec<(String, String)> {
        let failed = Outbox::new(self.shop()).failed(0, 1000).await.expect("listed");
        failed.into_iter().map(|entry| (entry.id, entry.error)).collect()
    }

    async fn dead_letters(&self, queue: Queue) -> Vec<DeadLetter> {
        let operator = self.embedded.operator();
        let all =
            operator.dead_letters(queue.name(), &DeadLetterQuery::new(1000), &Stop::new()).await.expect("readable");
        all.dead_letters.into_iter().map(|one| DeadLetter { body: one.body, reason: one.reason }).collect()
    }
}

/// Hours pass in milliseconds: the clock stands still during work, and then jumps to the next event.
fn in_memory(behaviour: &Behaviour) -> Outcome<()> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        let env = Env::driven(Timestamp::from_second(1_800_000_000)?, 1);
        prove(behaviour, SqliteBackend::memory(env)?, None).await
    })
}

fn in_a_file(behaviour: &Behaviour) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let clock = Ahead::default();
        let settings = Settings::default().env(clock.env());
        prove(behaviour, SqliteBackend::open(folder.path().join("jobs.db"), settings)?, Some(clock)).await
    })
}

async fn prove(behaviour: &Behaviour, embedded: SqliteBackend, clock: Option<Ahead>) -> Outcome<()> {
    let subject = OnOneMachine::new(embedded, clock).await?;
    (behaviour.prove)(&*subject).await;
    subject.stop(Duration::ZERO).await;
    Ok(())
}

fn trial(place: &str, behaviour: &'static Behaviour, run: fn(&Behaviour) -> Outcome<()>) -> Trial {
    Trial::test(format!("{place}::{}", behaviour.name), move || {
        run(behaviour).map_err(|error| Failed::from(error.to_string()))
    })
}

fn main() {
    let in_memory = BEHAVIOURS.iter().map(|behaviour| trial("in_memory", behaviour, in_memory));
    let in_a_file = BEHAVIOURS.iter().map(|behaviour| trial("in_a_file", behaviour, in_a_file));
    let trials = in_memory.chain(in_a_file).collect();
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    libtest_mimic::run(&arguments, trials).exit();
}
