//! Many jobs that share a limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, Limit, ListQuery, Options, Queue, Record, State,
    backend::{Claim, ClaimRequest, LimitRequest},
    env::Env,
    hours, mins,
};
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Debit {
    account: u32,
}

impl Job for Debit {
    const NAME: &'static str = "account.debit";
    const QUEUE: Queue = Queue::standard("accounts");

    fn options() -> Options {
        Options::new().limit(Limit::mutex("account").by("account"))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Free {}

impl Job for Free {
    const NAME: &'static str = "account.look";
    const QUEUE: Queue = Queue::standard("accounts");
}

#[derive(Default)]
struct Counts {
    at_once: AtomicUsize,
    most: AtomicUsize,
    debits: AtomicUsize,
    free: AtomicUsize,
    /// The debits that had run when the last free job did.
    before_free: AtomicUsize,
}

async fn debit(_: Debit, _: Context, State(counts): State<Arc<Counts>>) -> Result<(), JobError> {
    let now = counts.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    counts.most.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1)).await;
    counts.at_once.fetch_sub(1, Ordering::SeqCst);
    counts.debits.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

async fn look(_: Free, _: Context, State(counts): State<Arc<Counts>>) -> Result<(), JobError> {
    counts.free.fetch_add(1, Ordering::SeqCst);
    counts.before_free.store(counts.debits.load(Ordering::SeqCst), Ordering::SeqCst);
    Ok(())
}

/// Claims a job as a host that dies then.
async fn claim(embedded: &SqliteBackend, id: &lamplighter::JobId, limits: &[LimitRequest]) -> Claim {
    let store = embedded.backend().store.unwrap();
    let record = store.get(id).await.unwrap().unwrap();
    let until = embedded.env().now() + hours(2);
    let mut request = ClaimRequest::new(id.clone(), "accounts", record.message, 1, until);
    request.limits = limits.to_vec();
    request.max_attempts = 5;
    store.claim(vec![request], Instant::now() + mins(1)).await.remove(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_wait_for_a_dead_engine_run_when_the_next_one_starts() {
    let embedded = SqliteBackend::memory(Env::system()).unwrap();
    let (client, counts) = (embedded.client(), Arc::new(Counts::default()));
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.enqueue(Debit { account: 7 }).await.unwrap().id().clone());
    }
    let limits = [LimitRequest::mutex("account:7")];
    assert!(matches!(claim(&embedded, &ids[0], &limits).await, Claim::Run { attempt: 1, .. }));
    for id in &ids[1..] {
        assert!(matches!(claim(&embedded, id, &limits).await, Claim::Limited { is_hidden: true, .. }));
    }
    let function = Function::new("accounts").job(debit).job(look).with_state(counts.clone());
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    for id in &ids {
        // By themselves, those that wait would come in an hour.
        assert_eq!(client.wait(id, mins(5)).await.unwrap().state, JobState::Succeeded);
    }
    running.drain(mins(1)).await;
    assert_eq!((counts.most.load(Ordering::SeqCst), counts.debits.load(Ordering::SeqCst)), (1, 3));
}

const CROWD: usize = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_jobs_on_one_mutex_run_one_after_the_other_and_hold_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let embedded = SqliteBackend::open(&path, Settings::new()).unwrap();
    let (client, counts) = (embedded.client(), Arc::new(Counts::default()));
    assert!(client.enqueue_all((0..CROWD).map(|_| Debit { account: 7 })).await.iter().all(Result::is_ok));
    assert!(client.enqueue_all((0..20).map(|_| Free {})).await.iter().all(Result::is_ok));
    let function = Function::new("accounts").concurrency(16).job(debit).job(look).with_state(counts.clone());
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    let began = Instant::now();
    while counts.debits.load(Ordering::SeqCst) < CROWD || counts.free.load(Ordering::SeqCst) < 20 {
        assert!(began.elapsed() < mins(5), "{} debits", counts.debits.load(Ordering::SeqCst));
        tokio::task::yield_now().await;
    }
    let took = began.elapsed();
    running.drain(mins(1)).await;
    assert_eq!((counts.most.load(Ordering::SeqCst), counts.debits.load(Ordering::SeqCst)), (1, CROWD));
    assert_eq!(counts.free.load(Ordering::SeqCst), 20);
    let before = counts.before_free.load(Ordering::SeqCst);
    assert!(before < CROWD / 2, "{before} debits ran before the last of the others, which were behind all of them");
    let query = ListQuery { states: vec![JobState::Succeeded], limit: 1000, ..ListQuery::default() };
    let records: Vec<Record> = client.list(&query).await.unwrap().records;
    assert!(records.iter().all(|record| record.attempts.len() <= 1 && record.limit.is_none()));
    drop((client, embedded));
    let receives = "SELECT sum(receives), max(receives), (SELECT count(*) FROM dead_letters), \
        (SELECT count(*) FROM limit_holders), (SELECT count(*) FROM limit_waits) FROM jobs WHERE kind = \
        (SELECT id FROM kinds WHERE job = 'account.debit')";
    let connection = Connection::open(&path).unwrap();
    let row = connection
        .query_row(receives, [], |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]));
    let [all, most, dead, holders, waits] = row.unwrap();
    println!(
        "{CROWD} jobs on one mutex took {took:.1?}, and were received {:.2} times each, at most {most} times",
        all as f64 / CROWD as f64
    );
    assert_eq!((dead, holders, waits), (0, 0, 0));
    assert!(most <= 3, "{most}");
}
