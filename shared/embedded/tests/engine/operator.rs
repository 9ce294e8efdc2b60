//! Operations on queues and dead letters, with an engine and without.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, Record, Retention, Retry, State, Timestamp,
    backend::{
        Accuracy, Consumer, ConsumerKind, ConsumerState, DeadLetterCount, DeadLetterFilter, DeadLetterKey,
        DeadLetterQuery, QueueOrigin, QueueStatus, Redrive, RedriveMethod, RedriveProgress, RedriveResult,
    },
    env::Env,
    host::Stop,
    hours,
    operation::{Action, NewOperation, Runner, Target},
    secs,
};
use lamplighter_embedded::{Engine, Running, Settings, SqliteBackend};
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
        let retention = Retention { failed: hours(10), ..Retention::default() };
        Options::new().timeout(secs(800)).retry(Retry::never()).retention(retention)
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
    let all = embedded.operator().queues().await.unwrap();
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
    assert_eq!((status(&embedded).await.in_flight, status(&embedded).await.waiting), (1, 19));
    // One that waits, not the one that runs.
    assert_eq!(status(&embedded).await.oldest, Timestamp::from_second(1_800_000_000).ok());

    embedded.operator().pause(WORK.name()).await.unwrap();
    permits.add_permits(20);
    enqueue(&embedded, 1).await;
    a_minute(&embedded).await;
    let paused = status(&embedded).await;
    assert_eq!((paused.consumer.state, paused.in_flight, paused.waiting), (ConsumerState::Paused, 0, 20));
    assert_eq!(succeeded(&embedded).await, 1, "the running job ran to its end");

    embedded.operator().resume(WORK.name()).await.unwrap();
    permits.add_permits(1);
    a_minute(&embedded).await;
    assert_eq!(succeeded(&embedded).await, 21);
    assert_eq!(status(&embedded).await.consumer.state, ConsumerState::Active);
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_outlives_the_engine() {
    let embedded = memory();
    let permits = Arc::new(Semaphore::new(10));
    enqueue(&embedded, 3).await;
    embedded.operator().pause(WORK.name()).await.unwrap();
    for _ in 0..2 {
        let running = start(&embedded, &permits, 4).await;
        a_minute(&embedded).await;
        assert_eq!((succeeded(&embedded).await, status(&embedded).await.waiting), (0, 3));
        running.drain(Duration::ZERO).await;
    }
    embedded.operator().resume(WORK.name()).await.unwrap();
    let running = start(&embedded, &permits, 4).await;
    a_minute(&embedded).await;
    assert_eq!(succeeded(&embedded).await, 3);
    running.drain(Duration::ZERO).await;
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
        while status(&others).await.in_flight == 0 {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(600);
    let first = job("first").await.unwrap();
    tokio::time::timeout(limit, running_now()).await.expect("the first job runs");

    others.operator().pause(WORK.name()).await.unwrap();
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

    others.operator().resume(WORK.name()).await.unwrap();
    assert_eq!(client.wait(&second.id, limit).await.unwrap().state, JobState::Succeeded);
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_known_once_it_is_declared() {
    let embedded = memory();
    let operator = embedded.operator();
    assert!(operator.pause("ordered").await.unwrap_err().to_string().contains("no queue \"ordered\""));
    let names = operator.known_names().await.unwrap();
    assert_eq!((names.queues.len(), names.queue_origin, names.jobs), (0, QueueOrigin::RunTime, Some(Vec::new())));
    operator.declare(Queue::fifo("ordered")).await.unwrap();
    operator.pause("ordered").await.unwrap();
    enqueue(&embedded, 1).await;
    let names = operator.known_names().await.unwrap();
    assert_eq!(names.queues, ["ordered", "work"]);
    assert_eq!(names.jobs.unwrap(), ["act"]);
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
    assert_eq!((work.waiting, work.delayed, work.in_flight, work.dead_letters), (3, 1, 0, Some(0)));
    assert_eq!(work.accuracy, Accuracy::Exact);
    let consumer = |state| Consumer { kind: ConsumerKind::Engine, state };
    assert_eq!(work.consumer, consumer(ConsumerState::Missing), "no engine runs");
    let all = embedded.operator().queues().await.unwrap();
    let ordered = all.iter().find(|status| status.queue == "ordered").unwrap();
    assert_eq!((ordered.fifo, ordered.waiting, ordered.delayed), (true, 2, 0), "the second only waits for its turn");

    let running = start(&embedded, &Arc::new(Semaphore::new(100)), 1).await;
    assert_eq!(status(&embedded).await.consumer, consumer(ConsumerState::Active));
    a_minute(&embedded).await;
    running.drain(Duration::ZERO).await;
    assert_eq!(status(&embedded).await.consumer, consumer(ConsumerState::Active), "a host was alive just now");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(status(&embedded).await.consumer, consumer(ConsumerState::Missing));
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

async fn counted(embedded: &SqliteBackend, filter: &DeadLetterFilter) -> Vec<DeadLetterCount> {
    let counts = embedded.operator().count_dead_letters(WORK.name(), filter, &Stop::new()).await.unwrap();
    assert_eq!(counts.uncounted, 0);
    counts.counts
}

fn count(job: &str, reason: &str, dead_letters: u64) -> DeadLetterCount {
    DeadLetterCount::new(job, reason, dead_letters)
}

fn acts() -> DeadLetterFilter {
    DeadLetterFilter::all().with_job("act")
}

async fn redrive(embedded: &SqliteBackend, redrive: &Redrive) -> RedriveResult {
    let result = embedded.operator().redrive(WORK.name(), redrive, &Stop::new(), &|_| {}).await.unwrap();
    assert!(result.error.is_none() && result.method == RedriveMethod::Transactions, "{result:?}");
    result
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_counted_by_job_and_reason() {
    let embedded = memory();
    let (running, since) = dead_letters(&embedded).await;
    running.drain(Duration::ZERO).await;
    let all = counted(&embedded, &DeadLetterFilter::all()).await;
    let bad = |job| count(job, "bad-message", 1);
    assert_eq!(all, [bad(""), bad("7"), count("act", "failed", 3), bad("other"), count("other", "failed", 1)]);
    assert_eq!(counted(&embedded, &acts()).await, [count("act", "failed", 3)]);
    assert_eq!(counted(&embedded, &acts().with_since(since)).await, [count("act", "failed", 1)]);
    assert_eq!(counted(&embedded, &acts().with_before(since)).await, [count("act", "failed", 2)]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_listed_oldest_first_a_page_at_a_time() {
    let embedded = memory();
    let (running, since) = dead_letters(&embedded).await;
    running.drain(Duration::ZERO).await;
    let operator = embedded.operator();
    let page = async |query: DeadLetterQuery| operator.dead_letters(WORK.name(), &query, &Stop::new()).await.unwrap();
    let all = page(DeadLetterQuery::new(7)).await;
    assert_eq!((all.dead_letters.len(), &all.next, all.sample), (7, &None, false));
    let ids: Vec<_> = all.dead_letters.iter().take(4).map(|dead_letter| &*dead_letter.id).collect();
    assert_eq!(ids, ["early-1", "early-2", "late", "other"]);
    assert!(all.dead_letters.iter().all(|dead_letter| matches!(dead_letter.key, DeadLetterKey::Number(_))));
    let (mut query, mut paged) = (DeadLetterQuery::new(3), Vec::new());
    loop {
        let page = page(query.clone()).await;
        assert!(page.dead_letters.len() <= 3);
        paged.extend(page.dead_letters);
        match page.next {
            Some(next) => query = query.with_cursor(next),
            None => break,
        }
    }
    assert_eq!(paged, all.dead_letters);
    let late = page(DeadLetterQuery::new(1).with_filter(acts().with_since(since))).await;
    assert_eq!((late.dead_letters.len(), late.next), (1, None));
    assert_eq!(late.dead_letters[0], all.dead_letters[2]);
    let wrong = DeadLetterQuery::new(1).with_cursor("no cursor of ours");
    let error = operator.dead_letters(WORK.name(), &wrong, &Stop::new()).await.unwrap_err();
    assert!(error.to_string().contains("is no cursor of dead letters of queue work"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_limited_redrive_moves_as_many_as_its_preview_says() {
    let embedded = memory();
    let (running, _) = dead_letters(&embedded).await;
    let runner = Runner::new(embedded.client(), Vec::new()).with_operator(embedded.operator());
    let target = Target::dead_letters(WORK.name(), &DeadLetterFilter::all());
    let preview = async |limit| runner.preview(&Action::Redrive { limit }, &target).await.unwrap();
    let all = preview(None).await.jobs;
    assert!(all > 1);
    let one = preview(Some(1)).await;
    assert_eq!((one.jobs, one.is_complete, one.by_job), (1, true, Vec::new()), "which one shows later");
    assert_eq!(preview(Some(all + 1)).await, preview(None).await);
    let operation = runner.start(NewOperation::new(Action::Redrive { limit: Some(1) }, target.clone(), "ada"));
    let ended = runner.run(&operation.await.unwrap().id, &Stop::new(), None).await.unwrap();
    assert_eq!(ended.progress.changed, 1);
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_limited_redrive_moves_the_oldest() {
    let embedded = memory();
    let (running, since) = dead_letters(&embedded).await;
    running.drain(Duration::ZERO).await;
    let late = Redrive::all().with_filter(acts().with_since(since)).with_limit(10);
    assert_eq!(redrive(&embedded, &late).await.progress.moved, 1);
    assert_eq!(redrive(&embedded, &late).await.progress.moved, 0);
    let state = async |id: &str| embedded.client().get(&id.parse().unwrap()).await.unwrap().unwrap().state;
    assert_eq!((state("late").await, state("early-1").await), (JobState::Queued, JobState::Failed));

    let oldest = Redrive::all().with_filter(acts()).with_limit(1);
    assert_eq!(redrive(&embedded, &oldest).await.progress.moved, 1);
    assert_eq!((state("early-1").await, state("early-2").await), (JobState::Queued, JobState::Failed));
    assert_eq!(status(&embedded).await.dead_letters, Some(5));
}

/// More than go into one transaction, and at a rate.
#[tokio::test(start_paused = true)]
async fn a_redrive_goes_in_steps_and_keeps_its_rate() {
    let embedded = memory();
    let permits = Arc::new(Semaphore::new(1300));
    let running = start(&embedded, &permits, 64).await;
    for _ in 0..1300 {
        embedded.send_raw(WORK.name(), "no JSON").await.unwrap();
    }
    a_minute(&embedded).await;
    running.drain(Duration::ZERO).await;
    let steps = Mutex::new(Vec::new());
    let step = |far: RedriveProgress| steps.lock().unwrap().push((far.moved, far.total));
    let operator = embedded.operator();
    let limited = Redrive::all().with_limit(1200);
    operator.redrive(WORK.name(), &limited, &Stop::new(), &step).await.unwrap();
    assert_eq!(steps.into_inner().unwrap(), [(500, 1200), (1000, 1200), (1200, 1200)]);
    let began = tokio::time::Instant::now();
    let at_fifty_a_second = Redrive::all().with_rate(NonZeroU32::new(50).unwrap());
    assert_eq!(redrive(&embedded, &at_fifty_a_second).await.progress.moved, 100);
    assert!(began.elapsed() >= secs(2) - Duration::from_millis(100), "five at a time, ten times a second");
    assert!(began.elapsed() <= secs(3));
}

/// Dead letters outlive the records of their jobs, whose ids may be used again.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_a_job_that_needs_it_no_more_is_removed() {
    let embedded = memory();
    let permits = Arc::new(Semaphore::new(100));
    let running = start(&embedded, &permits, 4).await;
    let client = embedded.client();
    for id in ["again", "waits", "gone"] {
        client.enqueue(Act { fail: true }).id(id).await.unwrap();
        client.wait(&id.parse().unwrap(), hours(1)).await.unwrap();
    }
    tokio::time::sleep(hours(11)).await;
    client.enqueue(Act { fail: false }).id("again").await.unwrap();
    assert_eq!(client.wait(&"again".parse().unwrap(), hours(1)).await.unwrap().state, JobState::Succeeded);
    client.enqueue(Act { fail: false }).id("waits").delay(hours(2)).await.unwrap();
    assert_eq!(status(&embedded).await.dead_letters, Some(3));

    let progress = redrive(&embedded, &Redrive::all()).await.progress;
    assert_eq!((progress.moved, progress.obsolete, progress.total), (1, 2, 3));
    a_minute(&embedded).await;
    let record = async |id: &str| client.get(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((record("again").await.state, record("again").await.attempts.len()), (JobState::Succeeded, 1));
    assert_eq!(record("waits").await.state, JobState::Scheduled);
    assert_eq!(record("gone").await.state, JobState::Failed, "it has run again");
    assert_eq!(status(&embedded).await.dead_letters, Some(1));
    running.drain(Duration::ZERO).await;
}

/// Jobs fail again while the engine runs: a redrive moves each dead letter once, and ends.
#[tokio::test(start_paused = true)]
async fn a_redrive_ends_while_jobs_fail_again() {
    let embedded = memory();
    let (running, _) = dead_letters(&embedded).await;
    assert_eq!(redrive(&embedded, &Redrive::all()).await.progress.moved, 7);
    a_minute(&embedded).await;
    assert_eq!(status(&embedded).await.dead_letters, Some(7));
    let attempts = embedded.client().get(&"late".parse().unwrap()).await.unwrap().unwrap().attempts;
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 1]);
    running.drain(Duration::ZERO).await;
}
