//! The benchmark of the embedded engine, with the users' default settings.
//!
//! | figure | what is counted |
//! | --- | --- |
//! | bulk enqueue | jobs for which `enqueue_all` has answered, that is, durable ones |
//! | single enqueue | the same for 64 callers, each of which waits for its answer before it enqueues the next |
//! | one caller | the same for one caller |
//! | drain | jobs whose success is committed, from the engine's start over a backlog to the last one |
//! | batch enqueue | jobs of one batch, created with all of them in one transaction |
//! | batch drain | the same jobs, from the engine's start to the end of the batch, which has counted each of them |
//! | pick-up | from the call of `enqueue` on an idle engine to the first line of the handler |
//! | loaded pick-up | the same, while 64 callers enqueue 20,000 jobs a second |
//! | idle engine | how often a second the process wakes up while nothing is enqueued, and its share of a processor |
//!
//! The yardstick is bare SQLite on the same disk with the same pragmas, one row per transaction. Machines are noisy, so
//! it runs before and after every figure, and a figure's ratio is relative to those two runs.

mod idle;
mod report;
mod stats;
mod workload;
mod yardstick;

use std::{io, path::PathBuf};

use lamplighter_embedded::{Durability, OpenError};

pub use self::{
    idle::Idle,
    report::{Figure, PickUp, Report, Sample, Yardstick},
    stats::{median, percentile},
};

/// The number of jobs in the batch, unless all backlogs are smaller.
const BATCH: usize = 100_000;

/// The options of the benchmark.
#[derive(Debug, Clone)]
pub struct Options {
    /// The sizes of the backlogs, one drain each.
    pub backlogs: Vec<usize>,
    /// What an acknowledged job survives.
    pub durability: Durability,
    /// The number of measurements; the median counts.
    pub repetitions: usize,
    /// The folder of the files; a temporary one by default. A memory file system would distort the figures.
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            backlogs: vec![10_000, 100_000, 1_000_000],
            durability: Durability::Normal,
            repetitions: 3,
            folder: None,
        }
    }
}

/// Why the benchmark failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The folder for the files cannot be used.
    #[error("cannot use {folder}: {source}; name a folder where you may write")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The yardstick failed.
    #[error("the yardstick failed: {0}")]
    Yardstick(#[from] rusqlite::Error),
    /// The embedded file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine failed.
    #[error("the engine failed: {0}")]
    Engine(String),
}

impl BenchError {
    fn engine(error: impl std::fmt::Display) -> Self {
        Self::Engine(error.to_string())
    }
}

/// Measures everything. `tell` is called with the progress, a few words at a time.
///
/// # Errors
/// [`BenchError`]: there are no partial reports.
pub async fn run(options: &Options, tell: &(dyn Fn(&str) + Sync)) -> Result<Report, BenchError> {
    let root = match &options.folder {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir(),
    };
    let folder = tempfile::Builder::new()
        .prefix("lamp-bench-")
        .tempdir_in(&root)
        .map_err(|source| BenchError::Folder { folder: root, source })?;
    let bench = workload::Bench::new(folder.path(), options.durability)?;
    let mut collected = report::Collected::default();
    for round in 1..=options.repetitions.max(1) {
        tell(&format!("round {round} of {}: single enqueues", options.repetitions.max(1)));
        let single = bench.beside_yardstick(bench.enqueue_singly(workload::CALLERS)).await?;
        collected.add(report::Kind::Single, single);
        let single = bench.beside_yardstick(bench.enqueue_singly(1)).await?;
        collected.add(report::Kind::OneCaller, single);
        for &backlog in &options.backlogs {
            tell(&format!("round {round} of {}: {backlog} jobs", options.repetitions.max(1)));
            let waiting = bench.fresh()?;
            let bulk = bench.beside_yardstick(bench.enqueue_bulk(&waiting, backlog)).await?;
            collected.add(report::Kind::Bulk(backlog), bulk);
            let drain = bench.beside_yardstick(bench.drain(&waiting, backlog)).await?;
            collected.add(report::Kind::Drain(backlog), drain);
        }
        let jobs = options.backlogs.iter().copied().max().unwrap_or(0).min(BATCH);
        tell(&format!("round {round} of {}: a batch of {jobs} jobs", options.repetitions.max(1)));
        let waiting = bench.fresh()?;
        let batch = bench.beside_yardstick(bench.enqueue_batch(&waiting, jobs)).await?;
        collected.add(report::Kind::BatchEnqueue(jobs), batch);
        let drain = bench.beside_yardstick(bench.drain_batch(&waiting, jobs)).await?;
        collected.add(report::Kind::BatchDrain(jobs), drain);
        tell(&format!("round {round} of {}: pick-up", options.repetitions.max(1)));
        collected.pick_up(bench.pick_up().await?);
        collected.loaded(bench.loaded_pick_up().await?);
        tell(&format!("round {round} of {}: an idle engine", options.repetitions.max(1)));
        collected.idle(bench.idle().await?);
    }
    Ok(collected.report(bench.pragmas(), options))
}
