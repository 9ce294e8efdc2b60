//! The driver of Lamplighter's embedded engine.

use std::time::Instant;

use lamplighter::{Context, Function, Job, JobError, JobState, Queue, State};
use lamplighter_embedded::{Durability, Engine, Settings, SqliteBackend};
use peers_driver::{Counter, Error, Measure, Options};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The engine with each commit waiting for the disk; any other variant is the default.
pub(crate) const FULL: &str = "full";

/// A job that does nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Noop {
    number: usize,
}

impl Job for Noop {
    const NAME: &'static str = "peers.noop";
    const QUEUE: Queue = Queue::standard("peers");
}

async fn noop(_: Noop, _: Context, State(counter): State<Counter>) -> Result<(), JobError> {
    counter.ran();
    Ok(())
}

/// Makes one measurement, and prints it.
pub(crate) async fn drive(options: &Options) -> Result<(), Error> {
    let durability = if options.variant == FULL { Durability::Full } else { Durability::Normal };
    let backend = SqliteBackend::open(&options.place, Settings::default().durability(durability))?;
    let survives = if durability == Durability::Full { "power" } else { "process" };
    peers_driver::about(env!("CARGO_PKG_VERSION"), survives, backend.pragmas());
    let client = backend.client();
    if options.measure == Measure::Single {
        let enqueue = move |number| {
            let client = client.clone();
            async move { Ok(client.enqueue(Noop { number }).await.map(drop)?) }
        };
        return peers_driver::single(options, enqueue).await;
    }
    let enqueue = |numbers: std::ops::Range<usize>| {
        let client = client.clone();
        async move {
            for answer in client.enqueue_all(numbers.map(|number| Noop { number })).await {
                answer?;
            }
            Ok(())
        }
    };
    if !peers_driver::bulk(options, enqueue).await? {
        return Ok(());
    }
    let counter = Counter::new(options);
    let function = Function::new("peers").job(noop).with_state(counter.clone());
    let began = Instant::now();
    let running = Engine::builder(&backend).function(function).start().await?;
    let done = || {
        let client = client.clone();
        async move {
            let counts = client.store()?.counts().await?;
            let succeeded = counts.iter().filter(|count| count.state == JobState::Succeeded);
            Ok(usize::try_from(succeeded.map(|count| count.jobs).sum::<u64>())?)
        }
    };
    peers_driver::drain(options, began, &counter, done).await?;
    drop(running);
    Ok(())
}
