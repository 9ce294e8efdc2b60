//! The driver of effectum.

use std::{path::Path, sync::Arc, time::Instant};

use effectum::{Job, JobRunner, Queue, RunningJob, Worker};
use peers_driver::{Counter, Error, Measure, Options};
use serde::Serialize;

/// The job's type.
const NOOP: &str = "noop";

/// The payload of a job that does nothing.
#[derive(Debug, Serialize)]
struct Noop {
    number: usize,
}

async fn noop(_: RunningJob, counter: Counter) -> Result<(), effectum::Error> {
    counter.ran();
    Ok(())
}

fn job(number: usize) -> Result<Job, Error> {
    Ok(Job::builder(NOOP).json_payload(&Noop { number })?.build())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::read(std::env::args().skip(1))?;
    let queue = Arc::new(Queue::new(Path::new(&options.place)).await?);
    about(&options)?;
    if options.measure == Measure::Single {
        let enqueue = move |number| {
            let queue = queue.clone();
            async move { Ok(queue.add_job(job(number)?).await.map(drop)?) }
        };
        peers_driver::single(&options, enqueue).await?;
        std::process::exit(0);
    }
    let enqueue = |numbers: std::ops::Range<usize>| {
        let queue = queue.clone();
        async move {
            let jobs = numbers.map(job).collect::<Result<Vec<_>, _>>()?;
            Ok(queue.add_jobs(jobs).await.map(drop)?)
        }
    };
    if peers_driver::bulk(&options, enqueue).await? {
        let counter = Counter::new(&options);
        let builder = Worker::builder(&queue, counter.clone()).jobs([JobRunner::builder(NOOP, noop).build()]);
        // By default one job at a time; its documentation: "you will usually want to set this to a higher number".
        let builder = match options.variant == "tuned" {
            true => builder.max_concurrency(256).min_concurrency(128),
            false => builder,
        };
        let began = Instant::now();
        let worker = builder.build().await?;
        let done = || {
            let queue = queue.clone();
            async move {
                let active = queue.num_active_jobs().await?;
                Ok(options.jobs.saturating_sub(usize::try_from(active.pending + active.running)?))
            }
        };
        peers_driver::drain(&options, began, &counter, done).await?;
        drop(worker);
    }
    // What still runs would write on.
    std::process::exit(0);
}

/// effectum sets the pragma `journal`, which SQLite does not have and ignores, and `synchronous=NORMAL` on the
/// connection that writes. The journal mode is read back from the file: WAL would be kept in it.
fn about(options: &Options) -> Result<(), Error> {
    let file = rusqlite::Connection::open(&options.place)?;
    let journal_mode: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    // With a rollback journal, NORMAL waits for the disk at each commit; with WAL it would not.
    let survives = if journal_mode == "wal" { "process" } else { "power" };
    let in_force = [("journal_mode", &*journal_mode), ("synchronous", "NORMAL (by its code)")];
    let in_force = in_force.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let lock = include_str!("../Cargo.lock");
    peers_driver::about(peers_driver::locked_version(lock, "effectum"), survives, &in_force);
    Ok(())
}
