//! How many jobs run at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, NewJob, Options, Queue, State,
    env::{Env, SeededRandom},
    mins, secs,
};
use lamplighter_embedded::{Engine, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

const WORK: Queue = Queue::standard("work");

/// Snoozes so many times, and then takes so many seconds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Act {
    snoozes: usize,
    seconds: u64,
}

impl Job for Act {
    const NAME: &'static str = "act";
    const QUEUE: Queue = WORK;

    fn options() -> Options {
        Options::new().timeout(mins(10))
    }
}

#[derive(Default)]
struct Stage {
    snoozed: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
}

async fn act(job: Act, ctx: Context, State(stage): State<Arc<Stage>>) -> Result<(), JobError> {
    if stage.snoozed.load(Ordering::Relaxed) < job.snoozes {
        stage.snoozed.fetch_add(1, Ordering::Relaxed);
        return ctx.snooze(secs(0));
    }
    let now = stage.now.fetch_add(1, Ordering::Relaxed) + 1;
    stage.most.fetch_max(now, Ordering::Relaxed);
    sleep(secs(job.seconds)).await;
    stage.now.fetch_sub(1, Ordering::Relaxed);
    Ok(())
}

fn job(id: &str, snoozes: usize, seconds: u64) -> NewJob {
    NewJob::from(Act { snoozes, seconds }).id(id)
}

/// A batch ends with its last job. What it has released before may have been received again by then.
#[tokio::test(start_paused = true)]
async fn a_batch_that_ends_frees_no_slot_of_a_later_one() {
    let stage = Arc::new(Stage::default());
    let clock = Env { random: Arc::new(SeededRandom::new(1)), ..Env::default() };
    let embedded = SqliteBackend::memory(clock).unwrap();
    let client = embedded.client();
    let first = client.enqueue_all([job("long", 0, 60), job("snoozes", 1, 300)]).await;
    assert!(first.iter().all(Result::is_ok));
    let function = Function::new("actors").concurrency(2).job(act).with_state(stage.clone());
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    let ends = async |id: &str| {
        let record = client.wait(&id.parse().unwrap(), mins(60)).await.unwrap();
        assert_eq!(record.state, JobState::Succeeded, "{id}");
    };
    ends("long").await;
    assert_eq!(stage.snoozed.load(Ordering::Relaxed), 1);
    assert_eq!(stage.now.load(Ordering::Relaxed), 1, "the other one runs again");
    let more = client.enqueue_all((0..4).map(|n| job(&format!("more-{n}"), 0, 30))).await;
    assert!(more.iter().all(Result::is_ok));
    for id in ["snoozes", "more-0", "more-1", "more-2", "more-3"] {
        ends(id).await;
    }
    assert_eq!(stage.most.load(Ordering::Relaxed), 2);
    running.drain(secs(0)).await;
}
