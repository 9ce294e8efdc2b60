//! Large batches in a file.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lamplighter::{Context, Function, Job, JobError, JobId, JobState, Queue, Retry, State, mins, secs};
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Act {
    number: usize,
}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: Queue = Queue::standard("acts");

    fn options() -> lamplighter::Options {
        lamplighter::Options::new().retry(Retry::fixed(secs(1)).attempts(2))
    }
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct End {}

impl Job for End {
    const NAME: &'static str = "end";
    const QUEUE: Queue = Queue::standard("ends");
}

async fn act(job: Act, ctx: Context) -> Result<(), JobError> {
    match job.number % 100 {
        1 => Err(JobError::fail("for good")),
        2 if ctx.attempt() == 1 => Err(JobError::retry("not yet")),
        _ => Ok(()),
    }
}

async fn end(_: End, _: Context, State(ends): State<Arc<AtomicUsize>>) -> Result<(), JobError> {
    ends.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// With `BATCH_JOBS`, of another size than the usual one.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_thousands_is_counted_exactly_across_restarts() {
    let jobs: usize = std::env::var("BATCH_JOBS").map_or(10_000, |jobs| jobs.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jobs.db");
    let ends = Arc::new(AtomicUsize::new(0));
    let functions = || {
        let ends = Function::new("ends").job(end).with_state(ends.clone());
        [Function::new("acts").job(act).with_state(()), ends]
    };
    let start = async |embedded: &SqliteBackend| {
        let [acts, ends] = functions();
        Engine::builder(embedded).function(acts).function(ends).start().await.unwrap()
    };
    let id: JobId = "batch".parse().unwrap();
    {
        let embedded = SqliteBackend::open(&file, Settings::new()).unwrap();
        let client = embedded.client();
        let all = (0..jobs).map(|number| Act { number });
        client.enqueue_batch(all).id("batch").on_end(End {}).await.unwrap();
        assert_eq!(client.batch(&id).await.unwrap().unwrap().total, jobs as u64);
        // The engine ends in the middle of it.
        let running = start(&embedded).await;
        while client.batch(&id).await.unwrap().unwrap().done() < jobs as u64 / 4 {
            tokio::task::yield_now().await;
        }
        running.drain(secs(0)).await;
        embedded.close().await.unwrap();
    }
    let embedded = SqliteBackend::open(&file, Settings::new()).unwrap();
    let client = embedded.client();
    let running = start(&embedded).await;
    let record = client.wait(&id, mins(5)).await.unwrap();
    assert_eq!(record.state, JobState::Failed);
    let batch = client.batch(&id).await.unwrap().unwrap();
    let failed = jobs as u64 / 100;
    assert_eq!((batch.succeeded, batch.failed, batch.cancelled), (jobs as u64 - failed, failed, 0));
    while ends.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    running.drain(mins(1)).await;
    assert_eq!(ends.load(Ordering::SeqCst), 1);
}
