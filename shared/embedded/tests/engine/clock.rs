//! Clock changes while an engine runs, and while none does.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, ListQuery, Options, Queue, Record, Retry, State, Timestamp, days,
    env::{Clock, Env, SeededRandom},
    hours, mins,
    schedule::Schedule,
    secs,
};
use lamplighter_embedded::{Engine, Running, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

const WORK: Queue = Queue::standard("work");

/// Fails `failures` times, and takes `seconds`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
struct Act {
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    seconds: u64,
}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: Queue = WORK;

    fn options() -> Options {
        Options::new().timeout(secs(600)).retry(Retry::fixed(secs(60)).attempts(3))
    }
}

async fn act(job: Act, ctx: Context, State(runs): State<Arc<AtomicUsize>>) -> Result<(), JobError> {
    runs.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(secs(job.seconds)).await;
    if ctx.attempt() <= job.failures { Err(JobError::retry("as requested")) } else { Ok(()) }
}

/// Follows tokio's timer, and is set by hand.
#[derive(Clone)]
struct Wall {
    origin: Instant,
    ahead: Arc<AtomicI64>,
}

const START: i64 = 1_800_000_000;
/// Seconds to the year 2099.
const FAR: i64 = 72 * 365 * 86_400;

impl Wall {
    fn new() -> Self {
        Self { origin: Instant::now(), ahead: Arc::default() }
    }

    /// Set to be so many seconds ahead of the right time.
    fn set(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    fn env(&self) -> Env {
        Env { clock: Arc::new(self.clone()), random: Arc::new(SeededRandom::new(1)) }
    }
}

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(START + self.ahead.load(Ordering::Relaxed)).unwrap();
        start + self.origin.elapsed()
    }
}

struct Fixture {
    wall: Wall,
    embedded: SqliteBackend,
    runs: Arc<AtomicUsize>,
}

impl Fixture {
    fn new() -> Self {
        let wall = Wall::new();
        Self { embedded: SqliteBackend::memory(wall.env()).unwrap(), wall, runs: Arc::default() }
    }

    fn in_file(path: &Path) -> Self {
        let wall = Wall::new();
        let settings = Settings::new().env(wall.env());
        Self { embedded: SqliteBackend::open(path, settings).unwrap(), wall, runs: Arc::default() }
    }

    async fn start(&self) -> Running {
        let function = Function::new("actors").job(act).with_state(self.runs.clone());
        let every_hour = Schedule::cron("hourly", "0 * * * *").unwrap().starts(&Act::default()).unwrap();
        Engine::builder(&self.embedded).function(function).schedules([every_hour]).start().await.unwrap()
    }

    async fn enqueue(&self, id: &str, job: Act, delay: Duration) {
        self.embedded.client().enqueue(job).id(id).delay(delay).await.unwrap();
    }

    async fn record(&self, id: &str) -> Record {
        self.embedded.client().get(&id.parse().unwrap()).await.unwrap().unwrap()
    }

    /// How long until the job has ended.
    async fn took(&self, id: &str) -> Duration {
        let began = Instant::now();
        let record = self.embedded.client().wait(&id.parse().unwrap(), days(2)).await.unwrap();
        assert_eq!(record.state, JobState::Succeeded);
        began.elapsed()
    }

    async fn listed(&self, query: ListQuery) -> Vec<String> {
        let page = self.embedded.client().list(&ListQuery { limit: 1000, ..query }).await.unwrap();
        page.records.iter().map(|record| record.id.to_string()).collect()
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn queued_jobs_run_after_the_clock_was_set_back() {
    for ahead in [3600, FAR] {
        let fixture = Fixture::new();
        fixture.wall.set(ahead);
        fixture.enqueue("before", Act::default(), Duration::ZERO).await;
        fixture.wall.set(0);
        let running = fixture.start().await;
        assert!(fixture.took("before").await < secs(5));
        running.drain(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn delays_keep_their_length_when_the_clock_is_set_back() {
    for ahead in [3600, FAR] {
        let fixture = Fixture::new();
        fixture.wall.set(ahead);
        let running = fixture.start().await;
        fixture.enqueue("delayed", Act::default(), mins(10)).await;
        fixture.enqueue("retried", Act { failures: 1, seconds: 0 }, Duration::ZERO).await;
        while fixture.record("retried").await.state != JobState::Retrying {
            tokio::time::sleep(secs(1)).await;
        }
        fixture.wall.set(0);
        let took = fixture.took("retried").await;
        assert!(took <= secs(60 + 10), "{took:?}");
        let took = took + fixture.took("delayed").await;
        assert!((secs(500)..secs(620)).contains(&took), "{took:?}");
        running.drain(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_chosen_moment_is_not_corrected() {
    let fixture = Fixture::new();
    let at = fixture.embedded.env().now() + hours(30);
    fixture.embedded.client().enqueue(Act::default()).id("at").at(at).await.unwrap();
    fixture.wall.set(86_400);
    fixture.enqueue("wrong", Act::default(), Duration::ZERO).await;
    fixture.wall.set(0);
    fixture.enqueue("right", Act::default(), Duration::ZERO).await;
    assert_eq!(fixture.record("at").await.due_at, at);
    assert!(fixture.record("wrong").await.due_at <= fixture.embedded.env().now());
}

#[tokio::test(start_paused = true)]
async fn a_file_recovers_from_a_clock_in_2099() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    {
        let fixture = Fixture::in_file(&path);
        fixture.wall.set(FAR);
        let running = fixture.start().await;
        fixture.enqueue("far", Act::default(), Duration::ZERO).await;
        fixture.took("far").await;
        running.drain(Duration::ZERO).await;
    }
    let fixture = Fixture::in_file(&path);
    let running = fixture.start().await;
    let now = fixture.embedded.env().now();
    let far = fixture.record("far").await;
    assert!(far.created_at <= now && far.finished_at.unwrap() <= now, "{far:?}");
    fixture.enqueue("now", Act::default(), Duration::ZERO).await;
    assert!(fixture.took("now").await < secs(5));
    let ticks = fixture.runs();
    while fixture.runs() < ticks + 3 {
        tokio::time::sleep(mins(1)).await;
        assert!(fixture.embedded.env().now() < now + hours(4), "{} runs", fixture.runs());
    }
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_repeats_no_tick_after_the_clock_was_set_back() {
    let fixture = Fixture::new();
    let running = fixture.start().await;
    tokio::time::sleep(hours(3) + mins(30)).await;
    assert_eq!(fixture.runs(), 3);
    fixture.wall.set(-2 * 3600);
    tokio::time::sleep(hours(2)).await;
    assert_eq!(fixture.runs(), 3, "these ticks have run");
    tokio::time::sleep(hours(2)).await;
    assert_eq!(fixture.runs(), 5);
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn listings_by_time_are_complete_after_the_clock_was_set_back() {
    for ahead in [2 * 3600, FAR] {
        let fixture = Fixture::new();
        for n in 0..300 {
            match n {
                100 => fixture.wall.set(ahead),
                200 => fixture.wall.set(0),
                _ => {}
            }
            fixture.enqueue(&format!("job-{n:03}"), Act::default(), Duration::ZERO).await;
            tokio::time::sleep(secs(60)).await;
        }
        let all: Vec<_> = (0..300).rev().map(|n| format!("job-{n:03}")).collect();
        let now = fixture.embedded.env().now();
        let since = Timestamp::from_second(START).unwrap();
        assert_eq!(fixture.listed(ListQuery { since: Some(since), ..ListQuery::default() }).await, all);
        assert_eq!(
            fixture.listed(ListQuery { since: Some(since), before: Some(now), ..ListQuery::default() }).await,
            all,
            "a report of the day counts all"
        );
        let lately = fixture.listed(ListQuery { since: Some(now - mins(30)), ..ListQuery::default() }).await;
        assert_eq!(lately, all[..30]);
        let mut last = Timestamp::MAX;
        for id in all {
            let created_at = fixture.record(&id).await.created_at;
            assert!(created_at <= last, "{id}");
            last = created_at;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn running_jobs_keep_their_leases_when_the_clock_is_set() {
    for ahead in [86_400, -86_400] {
        let fixture = Fixture::new();
        let running = fixture.start().await;
        fixture.enqueue("long", Act { failures: 0, seconds: 300 }, Duration::ZERO).await;
        while fixture.runs() == 0 {
            tokio::time::sleep(secs(1)).await;
        }
        let left = |record: &Record| record.lease_until.unwrap().duration_since(fixture.embedded.env().now());
        let before = left(&fixture.record("long").await);
        // A second message of the same job does not run it concurrently, at once or later.
        fixture.wall.set(ahead);
        for pause in [10, 20] {
            fixture
                .embedded
                .send_raw(WORK.name(), r#"{"job":"act","id":"long","args":{"seconds":300}}"#)
                .await
                .unwrap();
            tokio::time::sleep(secs(pause)).await;
            let after = left(&fixture.record("long").await);
            assert!((before - after).as_secs().abs() <= 32, "{before:?} {after:?}");
        }
        fixture.took("long").await;
        assert_eq!(fixture.record("long").await.attempts.len(), 1);
        running.drain(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn leases_that_begin_after_the_clock_was_set_back_are_kept() {
    let fixture = Fixture::new();
    let running = fixture.start().await;
    tokio::time::sleep(secs(7)).await;
    fixture.wall.set(-1548);
    // Before the engine looks at the clock again.
    fixture.enqueue("long", Act { failures: 0, seconds: 300 }, Duration::ZERO).await;
    while fixture.runs() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(secs(10)).await;
    let record = fixture.record("long").await;
    assert!(record.lease_until.unwrap() > fixture.embedded.env().now(), "{record:?}");
    fixture.embedded.send_raw(WORK.name(), r#"{"job":"act","id":"long","args":{"seconds":300}}"#).await.unwrap();
    tokio::time::sleep(secs(20)).await;
    assert_eq!(fixture.runs(), 1, "its second message does not run it concurrently");
    fixture.took("long").await;
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn due_jobs_run_soon_after_the_clock_is_set_forward() {
    let fixture = Fixture::new();
    let running = fixture.start().await;
    fixture.enqueue("later", Act::default(), hours(20)).await;
    tokio::time::sleep(mins(5)).await;
    fixture.wall.set(86_400);
    let took = fixture.took("later").await;
    assert!(took <= secs(10), "{took:?}");
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_purged_soon_after_a_jump_forward() {
    let fixture = Fixture::new();
    let running = fixture.start().await;
    fixture.enqueue("kept", Act::default(), Duration::ZERO).await;
    fixture.took("kept").await;
    fixture.wall.set(FAR);
    tokio::time::sleep(mins(5)).await;
    fixture.wall.set(0);
    tokio::time::sleep(mins(30)).await;
    assert_eq!(fixture.record("kept").await.state, JobState::Succeeded, "the clock was corrected in time");
    fixture.wall.set(FAR);
    tokio::time::sleep(mins(30)).await;
    let gone = fixture.embedded.client().get(&"kept".parse().unwrap()).await.unwrap();
    assert!(gone.is_none(), "a clock that stays is trusted");
    running.drain(Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn no_jobs_are_lost_when_an_unset_clock_is_set() {
    let fixture = Fixture::new();
    let running = fixture.start().await;
    fixture.enqueue("ended", Act::default(), Duration::ZERO).await;
    fixture.took("ended").await;
    fixture.embedded.send_raw(WORK.name(), "no JSON").await.unwrap();
    tokio::time::sleep(mins(1)).await;
    running.drain(Duration::ZERO).await;
    fixture.enqueue("waits", Act::default(), Duration::ZERO).await;

    fixture.wall.set(-START);
    let running = fixture.start().await;
    assert!(fixture.took("waits").await < secs(5));
    fixture.wall.set(0);
    tokio::time::sleep(hours(1)).await;
    assert_eq!(fixture.record("ended").await.state, JobState::Succeeded);
    let all = fixture.embedded.operator().queues().await.unwrap();
    let work = all.iter().find(|status| status.queue == WORK.name()).unwrap();
    assert_eq!(work.dead_letters, Some(1));
    running.drain(Duration::ZERO).await;
}
