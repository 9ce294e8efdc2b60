//! The report of the benchmark.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Options,
    idle::Idle,
    stats::{median, percentile},
};

/// All figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// SQLite's settings, the same for the engine and the yardstick, as read from the engine's own connection.
    pub pragmas: BTreeMap<String, String>,
    /// What an acknowledged job survives, in words.
    pub durability: String,
    /// The number of processors that the process may use.
    pub cpus: usize,
    /// The folder of the files.
    pub folder: String,
    /// Bare SQLite.
    pub yardstick: Yardstick,
    /// Rates, and their ratios to the yardstick.
    pub figures: Vec<Figure>,
    /// The delay before an idle engine begins a job.
    pub pick_up: PickUp,
    /// The delay before a busy engine begins a job.
    pub loaded_pick_up: PickUp,
    /// The cost of an idle engine: the median of each.
    pub idle: Idle,
    /// The drain rate of the largest backlog relative to that of the smallest: 1 means that the cost of a job does not
    /// grow with the backlog.
    pub drain_largest_to_smallest: Option<f64>,
}

/// Bare SQLite, one row per transaction.
#[derive(Debug, Clone, Serialize)]
pub struct Yardstick {
    /// The median.
    pub rows_per_second: f64,
    /// The slowest run.
    pub lowest: f64,
    /// The fastest run.
    pub highest: f64,
    /// The number of runs.
    pub runs: usize,
}

/// One rate.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Its name: `single enqueue`, `one caller`, `bulk enqueue`, `drain`, `batch enqueue`, `batch drain`.
    pub name: &'static str,
    /// The number of jobs: the backlog, or the number enqueued.
    pub jobs: usize,
    /// The median.
    pub per_second: f64,
    /// The median of the ratios to the yardstick runs before and after each sample.
    pub ratio: f64,
    /// Each repetition.
    pub samples: Vec<Sample>,
}

/// One measurement.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Jobs counted.
    #[serde(skip)]
    pub(crate) jobs: usize,
    /// Jobs per second.
    pub per_second: f64,
    /// The ratio to the yardstick before and after.
    pub ratio: f64,
    /// Those two runs, in rows per second.
    pub yardstick: [f64; 2],
}

/// The delay before an engine begins a job, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct PickUp {
    /// Half of the jobs began within this.
    pub p50_ms: f64,
    /// 99 of 100 jobs began within this.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// The number of jobs.
    pub samples: usize,
}

impl PickUp {
    fn of(milliseconds: &[f64]) -> Self {
        Self {
            p50_ms: percentile(milliseconds, 0.5),
            p99_ms: percentile(milliseconds, 0.99),
            max_ms: percentile(milliseconds, 1.0),
            samples: milliseconds.len(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Single,
    OneCaller,
    Bulk(usize),
    Drain(usize),
    BatchEnqueue(usize),
    BatchDrain(usize),
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Single => "single enqueue",
            Self::OneCaller => "one caller",
            Self::Bulk(_) => "bulk enqueue",
            Self::Drain(_) => "drain",
            Self::BatchEnqueue(_) => "batch enqueue",
            Self::BatchDrain(_) => "batch drain",
        }
    }
}

/// Samples of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    samples: BTreeMap<Kind, Vec<Sample>>,
    pick_ups: Vec<f64>,
    loaded: Vec<f64>,
    idle: Vec<Idle>,
}

impl Collected {
    pub(crate) fn add(&mut self, kind: Kind, sample: Sample) {
        self.samples.entry(kind).or_default().push(sample);
    }

    pub(crate) fn pick_up(&mut self, milliseconds: Vec<f64>) {
        self.pick_ups.extend(milliseconds);
    }

    pub(crate) fn loaded(&mut self, milliseconds: Vec<f64>) {
        self.loaded.extend(milliseconds);
    }

    pub(crate) fn idle(&mut self, idle: Idle) {
        self.idle.push(idle);
    }

    pub(crate) fn report(self, pragmas: &[(String, String)], options: &Options) -> Report {
        let runs: Vec<f64> = self.samples.values().flatten().flat_map(|sample| sample.yardstick).collect();
        let figures: Vec<_> = self.samples.into_iter().map(|(kind, samples)| figure(kind, samples)).collect();
        let drains: Vec<_> = figures.iter().filter(|figure| figure.name == Kind::Drain(0).name()).collect();
        let of_idle = |value: fn(&Idle) -> f64| median(&self.idle.iter().map(value).collect::<Vec<_>>());
        let drain_largest_to_smallest = match (drains.first(), drains.last()) {
            // By their ratios, so that changes of the machine's speed in between do not count.
            (Some(smallest), Some(largest)) if drains.len() > 1 => Some(largest.ratio / smallest.ratio),
            _ => None,
        };
        Report {
            pragmas: pragmas.iter().cloned().collect(),
            durability: options.durability.to_string(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            folder: options.folder.clone().unwrap_or_else(std::env::temp_dir).display().to_string(),
            yardstick: Yardstick {
                rows_per_second: median(&runs),
                lowest: percentile(&runs, 0.0),
                highest: percentile(&runs, 1.0),
                runs: runs.len(),
            },
            figures,
            pick_up: PickUp::of(&self.pick_ups),
            loaded_pick_up: PickUp::of(&self.loaded),
            idle: Idle {
                wake_ups_per_second: of_idle(|idle| idle.wake_ups_per_second),
                cpu_percent: of_idle(|idle| idle.cpu_percent),
            },
            drain_largest_to_smallest,
        }
    }
}

fn figure(kind: Kind, samples: Vec<Sample>) -> Figure {
    let of = |value: fn(&Sample) -> f64| median(&samples.iter().map(value).collect::<Vec<_>>());
    Figure {
        name: kind.name(),
        jobs: samples.first().map_or(0, |sample| sample.jobs),
        per_second: of(|sample| sample.per_second),
        ratio: of(|sample| sample.ratio),
        samples,
    }
}
