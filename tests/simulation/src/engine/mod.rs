//! One seed over the real embedded engine, in a file: it is killed between any two steps, drained, and started again, under a
//! clock that is set forward and back.
//!
//! A killed engine is a runtime that is dropped: every task ends at the await where it is, and what SQLite has not committed
//! is gone. A trigger in the file notes each change of a record's state.

mod book;
mod clock;
mod file;
mod outside;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lamplighter_embedded::{Engine, Running, Settings, SqliteBackend};
use tokio::time::sleep;

use self::{
    book::{Actor, Book},
    clock::{Clockwork, Death},
    outside::Outside,
};
use crate::{
    dice::Dice,
    jobs::{LINKS, STEPS, function},
    plan::Plan,
    run::Report,
    story::Story,
};

/// What the parts of a seed share.
pub(crate) type Shared = Arc<Mutex<Book>>;

/// How an engine ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// It is killed at this moment of its life, in milliseconds.
    KilledAt(u64),
    /// It is killed when a handler begins or ends for the nth time.
    KilledByHandler(u64),
    /// It is killed when the clock is read for the nth time: nearly every step reads it.
    KilledByReading(u64),
    /// It is drained at this moment, with so much time.
    Drained(u64, u64),
    /// It runs until everything has ended.
    Quiet,
}

/// The time after which everything must have ended, counted from the start of the last engine: the clock may have been set
/// back by hours.
const PATIENCE: u64 = 8 * 60 * 60 * 1000;

/// Runs a seed over the real engine.
///
/// # Errors
/// When the file or the runtime cannot be made.
pub fn engine(seed: u64, is_told: bool) -> io::Result<Report> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("jobs.db");
    let dice = &mut Dice::new(seed, 3);
    let ends: Vec<_> = (0..dice.between(0, 5)).map(|_| end(dice)).chain([End::Quiet]).collect();
    let clockwork = Clockwork::new(seed);
    let book: Shared = Arc::new(Mutex::new(Book::new(Arc::new(Plan::of(seed)), Story::new(is_told))));
    for (life, end) in (1..).zip(ends) {
        let steps = if matches!(end, End::Quiet) || !dice.percent(30) { 0 } else { dice.between(1, 3) };
        let steps: Vec<_> = (0..steps).map(|_| (dice.between(0, 30_000), dice.between(0, 14_400_000))).collect();
        live(&path, life, end, &steps, &clockwork, &book)?;
        if lock(&book).violation().is_some() {
            break;
        }
    }
    let mut book = lock(&book);
    file::check(&path, &mut book).map_err(io::Error::other)?;
    Ok(book.report())
}

fn end(dice: &mut Dice) -> End {
    match dice.between(0, 10) {
        0..3 => End::KilledAt(dice.between(0, 60_000)),
        3..5 => End::KilledByHandler(dice.between(1, 8)),
        5..8 => End::KilledByReading(dice.between(1, 200)),
        _ => End::Drained(dice.between(0, 60_000), dice.between(0, 4_000)),
    }
}

fn lock(book: &Shared) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The life of one engine.
fn live(
    path: &Path,
    life: u32,
    end: End,
    steps: &[(u64, u64)],
    clockwork: &Clockwork,
    book: &Shared,
) -> io::Result<()> {
    // The order of what happens does not depend on how fast the one blocking thread is: its answers are taken only when
    // nothing else is left to do.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .global_queue_interval(u32::MAX)
        .event_interval(1)
        .max_blocking_threads(1)
        .build()?;
    let death = match end {
        End::KilledByHandler(nth) => Death::by_handler(nth),
        End::KilledByReading(nth) => Death::by_reading(nth),
        End::KilledAt(_) | End::Drained(..) | End::Quiet => Death::none(),
    };
    let ended = runtime.block_on(async {
        let wall = clockwork.start(&death);
        lock(book).begins_life(
            life,
            wall.clone(),
            format!("engine {life} starts; it ends: {end:?}; the clock: {steps:?}"),
        );
        let killed = death.comes();
        let lived = run(path, end, steps, &wall, book, &death);
        tokio::select! {
            biased;
            () = killed => Ok(None),
            lived = lived => lived.map(Some),
        }
    });
    // What is dropped from here on is not heard.
    lock(book).ends_life(matches!(ended, Ok(Some(()))));
    clockwork.stop();
    drop(runtime);
    ended.map(|_| ())
}

async fn run(
    path: &Path,
    end: End,
    steps: &[(u64, u64)],
    wall: &clock::Wall,
    book: &Shared,
    death: &Death,
) -> io::Result<()> {
    let env = wall.env();
    let embedded = SqliteBackend::open(path, Settings::default().env(env)).map_err(io::Error::other)?;
    embedded.declare(&[STEPS, LINKS]).await.map_err(io::Error::other)?;
    file::watch(path).map_err(io::Error::other)?;
    let actor = Actor::new(book.clone(), death.clone());
    let function = function(Arc::new(actor));
    let engine = Engine::builder(&embedded).function(function).start().await.map_err(io::Error::other)?;
    let outside = Outside::new(&embedded, book, wall);
    outside.start();
    for (at, step) in steps {
        let (wall, book, at, step) = (wall.clone(), book.clone(), *at, *step);
        tokio::spawn(async move {
            sleep(Duration::from_millis(at)).await;
            // Up to two hours ahead or behind.
            let ahead = i64::try_from(step).unwrap_or(0) - 7_200_000;
            lock(&book).tell("clock", || format!("is set to be {ahead} ms ahead"));
            wall.set(ahead);
        });
    }
    match end {
        End::KilledAt(at) => {
            sleep(Duration::from_millis(at)).await;
            lock(book).kills();
            drop(engine);
        }
        End::KilledByHandler(_) | End::KilledByReading(_) => {
            // It may live on where that moment does not come.
            sleep(Duration::from_millis(120_000)).await;
            lock(book).kills();
            drop(engine);
        }
        End::Drained(at, budget) => {
            sleep(Duration::from_millis(at)).await;
            lock(book).tell("engine", || format!("is drained within {budget} ms"));
            engine.drain(Duration::from_millis(budget)).await;
        }
        End::Quiet => until_quiet(engine, &outside, book).await?,
    }
    Ok(())
}

/// Waits until all has ended, and compares the file with what was seen.
async fn until_quiet(engine: Running, outside: &Outside, book: &Shared) -> io::Result<()> {
    let mut waited = 0;
    loop {
        // Longer than producers and strangers take.
        sleep(Duration::from_secs(90)).await;
        waited += 90_000;
        let open = outside.open().await.map_err(io::Error::other)?;
        match open {
            None => break,
            Some(open) if waited > PATIENCE => {
                lock(book).starves(&open);
                break;
            }
            Some(_) if lock(book).violation().is_some() => break,
            Some(_) => {}
        }
    }
    engine.drain(Duration::from_secs(10)).await;
    outside.check().await.map_err(io::Error::other)
}
