//! The driver of apalis with apalis-sqlite.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use apalis::prelude::*;
use apalis_sqlite::{Config, SqlitePool, SqlitePoolOptions, SqliteStorage};
use peers_driver::{Counter, Error, Measure, Options};
use serde::{Deserialize, Serialize};

/// A job that does nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noop {
    number: usize,
}

async fn noop(_: Noop, counter: Data<Counter>) -> Result<(), BoxDynError> {
    counter.ran();
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let options = Options::read(std::env::args().skip(1))?;
    let tuned = options.variant == "tuned";
    // The README's way: a pool with its defaults, and `setup`. With one connection, what `setup` sets holds for all.
    let url = format!("sqlite://{}?mode=rwc", options.place);
    let pool = match tuned {
        true => SqlitePoolOptions::new().max_connections(1).connect(&url).await?,
        false => SqlitePool::connect(&url).await?,
    };
    SqliteStorage::setup(&pool).await?;
    let storage: SqliteStorage<Noop> = SqliteStorage::new(&pool);
    let storage = match tuned {
        true => storage.with_config(Config::default().queue("noop").lock_tasks(false)),
        false => storage,
    };
    match options.measure {
        Measure::Single => {
            let enqueue = move |number| {
                let mut storage = storage.clone();
                async move { Ok(storage.push(Noop { number }).await?) }
            };
            peers_driver::single(&options, enqueue).await?;
        }
        Measure::Cycle => {
            let enqueue = |numbers: std::ops::Range<usize>| {
                let mut storage = storage.clone();
                async move { Ok(storage.push_bulk(numbers.map(|number| Noop { number }).collect()).await?) }
            };
            if peers_driver::bulk(&options, enqueue).await? {
                drain(&options, &pool, storage.clone()).await?;
            }
        }
    }
    about(&pool).await
}

async fn drain(options: &Options, pool: &SqlitePool, storage: SqliteStorage<Noop>) -> Result<(), Error> {
    let counter = Counter::new(options);
    let builder = WorkerBuilder::new("peer").backend(storage).data(counter.clone());
    let began = Instant::now();
    let (ran, window) = (counter.clone(), options.window);
    // Stopping the worker writes the completions that it has gathered, so the clock stops after that.
    let stop = async move {
        ran.wait(window).await;
        Ok::<(), std::io::Error>(())
    };
    builder.build(noop).run_until(stop).await?;
    let time = began.elapsed();
    let done: i64 = sqlx::query_scalar("SELECT count(*) FROM Jobs WHERE status = 'Done'").fetch_one(pool).await?;
    peers_driver::drained(options, usize::try_from(done)?, time);
    Ok(())
}

/// `setup` sets pragmas of one connection; the others of the pool have SQLite's defaults. All that are open are asked.
async fn about(pool: &SqlitePool) -> Result<(), Error> {
    // Those that were in use are given back soon.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut connections = Vec::new();
    let mut counts = BTreeMap::<i64, usize>::new();
    let mut journal_mode = String::new();
    while let Some(mut connection) = pool.try_acquire() {
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await?;
        *counts.entry(synchronous).or_default() += 1;
        journal_mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await?;
        connections.push(connection);
    }
    let survives = match counts.keys().next() {
        Some(0) => "fragile",
        Some(1) => "process",
        _ => "power",
    };
    let name =
        |value: &i64| ["OFF", "NORMAL", "FULL"].get(usize::try_from(*value).unwrap_or(9)).copied().unwrap_or("?");
    let synchronous: Vec<String> =
        counts.iter().map(|(value, connections)| format!("{} on {connections}", name(value))).collect();
    let in_force =
        [("journal_mode".to_owned(), journal_mode), ("synchronous, by connection".to_owned(), synchronous.join(", "))];
    let lock = include_str!("../Cargo.lock");
    peers_driver::about(peers_driver::locked_version(lock, "apalis-sqlite"), survives, &in_force);
    Ok(())
}
