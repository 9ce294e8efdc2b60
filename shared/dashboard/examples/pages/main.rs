//! How long the dashboard takes over a file with a million records, and how much a browser loads first:
//! `cargo run --release -p lamplighter-dashboard --example pages [-- --records 1000000 --requests 100 --names 0 --file FILE --by-work]`.
//!
//! Each request meets a dashboard that has read nothing yet. Ends with 1 when the server's time for a page is above 50 ms at p95,
//! or a first load above 30 KB. `--by-work` judges the time on the processor in place of the time that passed, for machines
//! that do other things too. `--names` adds so many queues, job types and schedules. A file that exists is used as it is.

mod addresses;
mod fill;
#[path = "../showcase/history.rs"]
mod history;
mod measure;
mod repeat;
#[path = "../showcase/shop.rs"]
mod shop;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use lamplighter::env::Env;
use lamplighter_embedded::{Settings, SqliteBackend};
use measure::{Row, percentile};

type Done<T> = Result<T, Box<dyn std::error::Error>>;

const MOST: Duration = Duration::from_millis(50);
const MOST_BYTES: usize = 30_000;

struct Options {
    records: i64,
    requests: usize,
    names: i64,
    file: Option<PathBuf>,
    by_work: bool,
}

fn main() -> Done<ExitCode> {
    let options = options(std::env::args().skip(1))?;
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir()?;
    let path = options.file.clone().unwrap_or_else(|| folder.path().join("jobs.db"));
    if !path.exists() {
        fill(&path, options.records)?;
        fill::many_names(&path, options.names)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(&path, &options))
}

fn options(mut arguments: impl Iterator<Item = String>) -> Done<Options> {
    let mut options = Options { records: 1_000_000, requests: 100, names: 0, file: None, by_work: false };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match &*name {
            "--records" => options.records = value()?.parse()?,
            "--requests" => options.requests = value()?.parse()?,
            "--names" => options.names = value()?.parse()?,
            "--file" => options.file = Some(value()?.into()),
            "--by-work" => options.by_work = true,
            _ => return Err(format!("{name} is none of --records, --requests, --names, --file, --by-work").into()),
        }
    }
    Ok(options)
}

fn fill(path: &Path, records: i64) -> Done<()> {
    let began = Instant::now();
    fill::play(path)?;
    let filled = repeat::repeat(path, records)?;
    say(&format!("{filled} records in {} s, {} MB", began.elapsed().as_secs(), std::fs::metadata(path)?.len() >> 20));
    Ok(())
}

async fn measure(path: &Path, options: &Options) -> Done<ExitCode> {
    let env = Env::system();
    let backend = SqliteBackend::open(path, Settings::new().env(env.clone()))?;
    let new = || measure::dashboard(&backend, env.clone());
    let all = addresses::all(&new()?, fill::names(path)?, options.requests).await?;
    let mut is_fine = true;
    say("                                 passed, ms          worked, ms");
    say("what                    times    p50     p95         p50     p95      KB");
    for (name, paths) in all {
        let row = Row::of(name, paths, new).await?;
        let judged = if options.by_work && !row.works.is_empty() { &row.works } else { &row.walls };
        let is_slow = percentile(judged, 95) > MOST;
        is_fine &= !is_slow && row.failures.is_empty();
        say(&line(&row, is_slow));
    }
    for page in ["/", "/jobs", "/errors", "/queues", "/schedules", "/types", "/operations", "/health"] {
        let bytes = measure::first_load(&new()?, page).await?;
        let is_large = bytes > MOST_BYTES;
        is_fine &= !is_large;
        say(&format!(
            "first load of {page:<12} {:>6.1} KB{}",
            bytes as f64 / 1000.0,
            if is_large { "  TOO LARGE" } else { "" }
        ));
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(row: &Row, is_slow: bool) -> String {
    let ms = |all: &[Duration], part| percentile(all, part).as_secs_f64() * 1000.0;
    let (walls, works) = (&row.walls, &row.works);
    let mut line = format!(
        "{:<24} {:>4} {:>6.1}  {:>6.1}      {:>6.1}  {:>6.1}  {:>6.1}",
        row.name,
        walls.len(),
        ms(walls, 50),
        ms(walls, 95),
        ms(works, 50),
        ms(works, 95),
        row.largest as f64 / 1000.0
    );
    if is_slow {
        let (took, path) = &row.slowest;
        line.push_str(&format!("  SLOW: {} ms for {path}", took.as_millis()));
    }
    for failure in row.failures.iter().take(3) {
        line.push_str(&format!("\n  FAILED: {}", failure.chars().take(300).collect::<String>()));
    }
    line
}

#[allow(clippy::print_stdout, reason = "the caller reads it")]
fn say(line: &str) {
    println!("{line}");
}
