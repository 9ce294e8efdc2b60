//! Operations on queues and dead letters, with an engine and without.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may")]

use std::{sync::Arc, time::Duration};

use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, Record, Retry, State, Timestamp, env::Env, hours, secs,
};
use lamplighter_embedded::{DeadLetterFilter, Engine, QueueStatus, Running, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

const WORK: Queue = Queue::standard("work");
const CLOCK: Queue = Queue::standard("clock");

/// Runs as soon as there is a permit, and fails if requested.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Act {
    #[serde(default)]
    fail: bool,
}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: Queue = WORK;

    fn options() -> Options {
        Options::new().timeout(secs(800)).retry(Retry::never())
    }
}

/// A second job on the same queue.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Other {}

impl Job for Other {
    const NAME: &'static str = "other";
    const QUEUE: Queue = WORK;

    fn options() -> Options {
        Options::new().retry(Retry::never())
    }
}

/// On a queue of its own: when it has run, time has passed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Tick {}

impl Job for Tick {
    const NAME: &'static str = "tick";
    const QUEUE: Queue = CLOCK;
}

async fn act(job: Act, _: Context, State(permits): State<Arc<Semaphore>>) -> Result<(), JobError> {
    permits.acquire().await?.forget();
    if job.fail { Err(JobError::fail("as requested")) } else { Ok(()) }
}

async fn other(_: Other) -> Result<(), JobError> {
    Err(JobError::fail("always"))
}

async fn tick(_: Tick) -> Result<(), JobError> {
    Ok(())
}

async fn start(embedded: &SqliteBackend, permits: &Arc<Semaphore>, at_once: usize) -> Running {
    let actors = Function::new("actors").job(act).job(other).with_state(permits.clone());
    let clock = Function::new("clock").job(tick).with_state(());
    Engine::builder(embedded).function(actors).function(clock).jobs_at_once(at_once).start().await.unwrap()
}

async fn enqueue(embedded: &SqliteBackend, count: usize) {
    let answers = embedded.client().enqueue_all((0..count).map(|_| Act { fail: false })).await;
    assert!(answers.iter().all(Result::is_ok));
}

/// Lets a minute pass, in which every job that can run has run.
async fn a_minute(embedded: &SqliteBackend) {
    let client = embedded.client();
    let tick = client.enqueue(Tick {}).delay(secs(60)).await.unwrap();
    client.wait(tick.id(), hours(1)).await.unwrap();
}

async fn status(embedded: &SqliteBackend) -> QueueStatus {
    let all = embedded.queues().await.unwrap();
    all.into_iter().find(|status| status.queue == WORK.name()).unwrap()
}

async fn succeeded(embedded: &SqliteBackend) -> u64 {
    let counts = embedded.client().store().unwrap().counts().await.unwrap();
    counts.iter().filter(|c| c.queue == WORK.name() && c.state == JobState::Succeeded).map(|c| c.jobs).sum()
}

fn memory() -> SqliteBackend {
    SqliteBackend::memory(Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_runs_nothing_until_resumed() {
    let embedded = memory();
    let permits = Arc::new(Semaphore::new(0));
    enqueue(&embedded, 20).await;
    let running = start(&embedded, &permits, 1).await;
    // One runs, and others are in the engine's buffer.
    a_minute(&embedded).await;
    assert_eq!((status(&embedded).await.running, status(&embedded).await.waiting), (1, 19));

    embedded.pause_queue(WORK.name()).await.unwrap();
    permits.add_permits(20);
    enqueue(&embedded, 1).await;
    a_minute(&embedded).await;
    let paused = status(&embedded).await;
    assert_eq!((paused.paused, paused.running, paused.waiting), (true, 0, 20));
    assert_eq!(succeeded(&embedded).await, 1, "the running job ran to its end");

    embedded.resume_queue(WORK.name()).await.unwrap();
    permits.add_permits(1);
    a_minute(&embedded).await;
    assert_eq!(succeeded(&embedded).await, 21);
    assert!(!status(&embedded).await.paused);
    running.stop(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_the_engine() {
    let embedded = memory();
    let permits = Arc::new(Semaphore::new(10));
    enqueue(&embedded, 3).await;
    embedded.pause_queue(WORK.name()).await.unwrap();
    for _ in 0..2 {
        let running = start(&embedded, &permits, 4).await;
        a_minute(&embedded).await;
        assert_eq!((succeeded(&embedded).await, status(&embedded).await.waiting), (0, 3));
        running.stop(Duration::ZERO).await;
    }
    embedded.resume_queue(WORK.name()).await.unwrap();
    let running = start(&embedded, &permits, 4).await;
    a_minute(&embedded).await;
    assert_eq!(succeeded(&embedded).await, 3);
    running.stop(Duration::ZERO).await;
}

/// Two connections to one file, like two processes: the engine of one notices what the other writes.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_notices_a_pause_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteBackend::open(folder.path().join("jobs.db"), Settings::default()).unwrap();
    let (engines, others) = (open(), open());
    let permits = Arc::new(Semaphore::new(0));
    let running = start(&engines, &permits, 1).await;
    let client = others.client();
    let job = |id: &'static str| client.enqueue(Act { fail: false }).id(id).into_future();
    let running_now = async || {
        while status(&others).await.running == 0 {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(600);
    let first = job("first").await.unwrap();
    tokio::time::timeout(limit, running_now()).await.expect("the first job runs");

    others.pause_queue(WORK.name()).await.unwrap();
    job("second").await.unwrap();
    // The engine has noticed it when it runs what was written later to another queue, a second later.
    let tick = client.enqueue(Tick {}).delay(secs(1)).await.unwrap();
    client.wait(tick.id(), limit).await.unwrap();
    permits.add_permits(2);
    assert_eq!(client.wait(first.id(), limit).await.unwrap().state, JobState::Succeeded);
    let tick = client.enqueue(Tick {}).await.unwrap();
    client.wait(tick.id(), limit).await.unwrap();
    let second: Record = client.get(&"second".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(second.state, JobState::Queued);

    others.resume_queue(WORK.name()).await.unwrap();
    assert_eq!(client.wait(&second.id, limit).await.unwrap().state, JobState::Succeeded);
    running.stop(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn unknown_queues_are_named_in_errors() {
    let embedded = memory();
    for error in [
        embedded.pause_queue("nowhere").await.unwrap_err(),
        embedded.resume_queue("nowhere").await.unwrap_err(),
        embedded.redrive("nowhere").await.unwrap_err(),
        embedded.count_dead_letters("nowhere", &DeadLetterFilter::default()).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("no queue \"nowhere\""), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn queues_report_their_status() {
    let embedded = memory();
    let client = embedded.client();
    enqueue(&embedded, 3).await;
    client.enqueue(Act { fail: false }).delay(hours(2)).await.unwrap();
    embedded.declare(&[Queue::fifo("ordered")]).await.unwrap();
    for _ in 0..2 {
        embedded.send_raw("ordered", r#"{"job":"unknown"}"#).await.unwrap();
    }
    let work = status(&embedded).await;
    assert_eq!((work.waiting, work.delayed, work.running, work.dead_letters), (3, 1, 0, 0));
    let all = embedded.queues().await.unwrap();
    let ordered = all.iter().find(|status| status.queue == "ordered").unwrap();
    assert_eq!((ordered.fifo, ordered.waiting, ordered.delayed), (true, 2, 0), "the second only waits for its turn");
}

/// Jobs of two names fail, an hour apart; the names of those without a record are read from their bodies.
async fn dead_letters(embedded: &SqliteBackend) -> (Running, Timestamp) {
    let permits = Arc::new(Semaphore::new(100));
    let running = start(embedded, &permits, 4).await;
    let client = embedded.client();
    for id in ["early-1", "early-2"] {
        client.enqueue(Act { fail: true }).id(id).await.unwrap();
        client.wait(&id.parse().unwrap(), hours(1)).await.unwrap();
    }
    tokio::time::advance(hours(1)).await;
    let since = embedded.env().now();
    client.enqueue(Act { fail: true }).id("late").await.unwrap();
    client.wait(&"late".parse().unwrap(), hours(1)).await.unwrap();
    client.enqueue(Other {}).id("other").await.unwrap();
    client.wait(&"other".parse().unwrap(), hours(1)).await.unwrap();
    for body in ["no JSON", r#"{"job":"other","args":[]}"#, r#"{"job":7}"#] {
        embedded.send_raw(WORK.name(), body).await.unwrap();
    }
    a_minute(embedded).await;
    (running, since)
}

async fn counted(embedded: &SqliteBackend, filter: &DeadLetterFilter) -> Vec<(String, String, u64)> {
    let counts = embedded.count_dead_letters(WORK.name(), filter).await.unwrap();
    counts.into_iter().map(|count| (count.job, count.reason, count.letters)).collect()
}

fn count(job: &str, reason: &str, letters: u64) -> (String, String, u64) {
    (job.into(), reason.into(), letters)
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_counted_by_job_and_reason() {
    let embedded = memory();
    let (running, since) = dead_letters(&embedded).await;
    running.stop(Duration::ZERO).await;
    let all = counted(&embedded, &DeadLetterFilter::default()).await;
    let bad = |job| count(job, "bad-message", 1);
    assert_eq!(all, [bad(""), bad("7"), count("act", "failed", 3), bad("other"), count("other", "failed", 1)]);
    let acts = DeadLetterFilter { job: Some("act".into()), ..DeadLetterFilter::default() };
    assert_eq!(counted(&embedded, &acts).await, [count("act", "failed", 3)]);
    let late = DeadLetterFilter { since: Some(since), ..acts.clone() };
    assert_eq!(counted(&embedded, &late).await, [count("act", "failed", 1)]);
    let early = DeadLetterFilter { before: Some(since), ..acts };
    assert_eq!(counted(&embedded, &early).await, [count("act", "failed", 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_moves_only_what_matches() {
    let embedded = memory();
    let (running, since) = dead_letters(&embedded).await;
    running.stop(Duration::ZERO).await;
    let late = DeadLetterFilter { job: Some("act".into()), since: Some(since), before: None };
    assert_eq!(embedded.redrive_some(WORK.name(), &late, 10).await.unwrap(), 1);
    assert_eq!(embedded.redrive_some(WORK.name(), &late, 10).await.unwrap(), 0);
    let state = async |id: &str| embedded.client().get(&id.parse().unwrap()).await.unwrap().unwrap().state;
    assert_eq!((state("late").await, state("early-1").await), (JobState::Queued, JobState::Failed));

    let acts = DeadLetterFilter { job: Some("act".into()), ..DeadLetterFilter::default() };
    assert_eq!(embedded.redrive_some(WORK.name(), &acts, 1).await.unwrap(), 1);
    assert_eq!((state("early-1").await, state("early-2").await), (JobState::Queued, JobState::Failed), "oldest first");
    assert_eq!(status(&embedded).await.dead_letters, 5);
}

/// Jobs fail again while the engine runs: a redrive moves each dead letter once, and ends.
#[tokio::test(start_paused = true)]
async fn a_redrive_ends_while_jobs_fail_again() {
    let embedded = memory();
    let (running, _) = dead_letters(&embedded).await;
    assert_eq!(embedded.redrive(WORK.name()).await.unwrap(), 7);
    a_minute(&embedded).await;
    assert_eq!(status(&embedded).await.dead_letters, 7);
    let attempts = embedded.client().get(&"late".parse().unwrap()).await.unwrap().unwrap().attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 1]);
    running.stop(Duration::ZERO).await;
}
