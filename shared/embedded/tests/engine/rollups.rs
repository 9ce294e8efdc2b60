//! Roll-ups of an engine's own measurements.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    Client, Context, Function, Job, JobError, Options, Queue, Retry, Timestamp,
    env::Env,
    meter::{Measurements, Meter, Rollup, RollupQuery},
    mins, secs,
};
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Work {
    millis: u64,
    failures: u32,
}

impl Job for Work {
    const NAME: &'static str = "work.do";
    const QUEUE: Queue = Queue::standard("works");

    fn options() -> Options {
        Options::new().retry(Retry::fixed(secs(1)).attempts(2))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Unrecorded {}

impl Job for Unrecorded {
    const NAME: &'static str = "work.unrecorded";
    const QUEUE: Queue = Queue::standard("works");

    fn options() -> Options {
        Options::new().untracked()
    }
}

async fn work(job: Work, ctx: Context) -> Result<(), JobError> {
    tokio::time::sleep(Duration::from_millis(job.millis)).await;
    if ctx.attempt() <= job.failures { Err(JobError::retry("not yet")) } else { Ok(()) }
}

async fn unrecorded(_: Unrecorded) -> Result<(), JobError> {
    Ok(())
}

fn function() -> Function {
    Function::new("works").job(work).job(unrecorded).with_state(())
}

async fn measured(client: &Client) -> Vec<Rollup> {
    let start: Timestamp = "2026-11-27T00:00:00Z".parse().unwrap();
    client.rollups(&RollupQuery::new(start, start + mins(60), mins(60))).await.unwrap()
}

fn env() -> Env {
    Env::driven("2026-11-27T00:00:00Z".parse().unwrap(), 1)
}

#[derive(Default)]
struct Other(AtomicUsize);

impl Meter for Other {
    fn record(&self, batch: &Measurements) {
        self.0.fetch_add(batch.runs.len(), Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_rolls_up_what_its_jobs_took() {
    let embedded = SqliteBackend::memory(env()).unwrap();
    let client = embedded.client();
    let other = Arc::new(Other::default());
    let running = Engine::builder(&embedded).function(function()).meter(other.clone()).start().await.unwrap();
    for (millis, failures) in [(100, 0), (200, 0), (300, 1), (400, 2)] {
        client.enqueue(Work { millis, failures }).id(format!("job-{millis}")).await.unwrap();
    }
    client.enqueue(Unrecorded {}).await.unwrap();
    for millis in [100, 200, 300, 400] {
        client.wait(&format!("job-{millis}").parse().unwrap(), mins(1)).await.unwrap();
    }
    // It writes them within a second.
    tokio::time::sleep(secs(3)).await;
    let rollups = measured(&client).await;
    let names: Vec<_> = rollups.iter().map(|rollup| (&*rollup.job, &*rollup.queue)).collect();
    assert_eq!(names, [("work.do", "works"), ("work.unrecorded", "works")], "with a record or without");
    let [point] = &rollups[0].points[..] else { panic!("{rollups:?}") };
    assert_eq!((point.succeeded, point.retried, point.failed), (3, 2, 1));
    let took = point.duration.unwrap();
    let near = |time: Duration, millis: u64| {
        time.abs_diff(Duration::from_millis(millis)) <= Duration::from_millis(millis / 20)
    };
    assert!(near(took.p50, 300) && near(took.p99, 400), "{took:?}");
    assert!(point.queue_latency.unwrap().p99 < secs(1), "{point:?}");
    assert_eq!(rollups[1].points[0].succeeded, 1);
    assert_eq!(other.0.load(Ordering::Relaxed), 7, "a meter of one's own sees the same");
    running.drain(secs(1)).await;
}

#[tokio::test]
async fn the_last_measurements_are_written_when_an_engine_ends_and_add_to_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let open = || SqliteBackend::open(folder.path().join("jobs.db"), Settings::new().env(env())).unwrap();
    for round in 1..=3 {
        let embedded = open();
        let running = Engine::builder(&embedded).function(function()).start().await.unwrap();
        // All of them draw the same random numbers.
        let id = format!("job-{round}").parse().unwrap();
        embedded.client().enqueue(Work { millis: 0, failures: 0 }).id(&id).await.unwrap();
        embedded.client().wait(&id, mins(1)).await.unwrap();
        running.drain(secs(10)).await;
        assert_eq!(measured(&open().client()).await[0].points[0].succeeded, round);
    }
}
