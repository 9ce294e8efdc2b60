//! How soon a Lambda bootstrap is ready: from `exec` to its first call of `/next`, beside the least program that
//! `lambda_runtime` allows.
//!
//! Each bootstrap is built by itself with the profile `lambda`, then started again and again against a runtime API of
//! its own on this machine, in turns with the hello world (A B A B …), so that whatever the machine does meanwhile
//! happens to both. Ratios are the medians of the ratios within each turn.
//!
//! | figure | what is counted |
//! | --- | --- |
//! | wall | from just before the process is spawned until the runtime API has read its request for an invocation |
//! | CPU | user and system time of the process and its threads until then |
//! | memory | the peak of its resident set until then (`VmHWM`) |

mod build;
mod run;

use serde::Serialize;

use crate::embedded::median;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of binaries.
    pub bootstraps: Vec<String>,
    /// Turns that count, for each bootstrap.
    pub turns: usize,
}

impl Options {
    /// Turns before those that count: they bring the files into the cache.
    const WARM_UP: usize = 5;
}

impl Default for Options {
    fn default() -> Self {
        let bootstraps = ["stateless", "webhooks", "images", "reports"].map(ToOwned::to_owned).to_vec();
        Self { bootstraps, turns: 60 }
    }
}

/// What a stateless bootstrap must stay below, in bytes.
pub const MAX_BYTES: u64 = 6_000_000;
/// What a bootstrap's wall time must stay below, in those of the hello world.
pub const MAX_WALL_RATIO: f64 = 1.3;
/// What a bootstrap's CPU time must stay below, in those of the hello world.
pub const MAX_CPU_RATIO: f64 = 2.0;

/// All figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Processors that the process may use.
    pub cpus: usize,
    /// Turns that counted, for each bootstrap.
    pub turns: usize,
    /// Each bootstrap, beside the hello world that ran in turns with it.
    pub bootstraps: Vec<Compared>,
}

/// A bootstrap beside the hello world.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// The binary's name.
    pub name: String,
    /// Its figures.
    pub own: Figures,
    /// Those of the hello world.
    pub hello: Figures,
    /// The median ratio of wall times.
    pub wall_ratio: f64,
    /// The median ratio of CPU times.
    pub cpu_ratio: f64,
    /// Whether it stays within [`MAX_BYTES`], [`MAX_WALL_RATIO`] and [`MAX_CPU_RATIO`].
    pub within_limits: bool,
}

/// Medians.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// The size of the stripped file.
    pub bytes: u64,
    /// From exec to the first call of `/next`.
    pub wall_ms: f64,
    /// User and system time until then.
    pub cpu_ms: f64,
    /// The peak of the resident set until then, in KiB.
    pub peak_kib: u64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// A bootstrap could not be built.
    #[error("{name} could not be built by `{command}`: {reason}")]
    Build {
        /// Which.
        name: String,
        /// How it was tried.
        command: String,
        /// The last words of the build.
        reason: String,
    },
    /// A bootstrap could not be started.
    #[error("{name} could not be started: {source}")]
    Start {
        /// Which.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A bootstrap did not ask for an invocation.
    #[error("{name} was started, but did not ask for an invocation within {seconds} s: it has failed, or hangs")]
    Silent {
        /// Which.
        name: String,
        /// How long it had.
        seconds: u64,
    },
    /// The machine does not tell what is to be measured.
    #[error("this machine does not tell what a process used ({what}): the measure needs Linux with /proc")]
    Unmeasured {
        /// What was asked for.
        what: &'static str,
    },
    /// No runtime API.
    #[error("a port on the loopback interface is needed: {0}")]
    Port(std::io::Error),
}

/// Builds what is named, and measures it. `progress` is told what comes next.
///
/// # Errors
/// When something cannot be built, started, or measured.
pub async fn run(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Result<Report, StartupError> {
    let hello = build::bootstrap("hello", progress).await?;
    let mut bootstraps = Vec::with_capacity(options.bootstraps.len());
    for name in &options.bootstraps {
        let own = build::bootstrap(name, progress).await?;
        progress(&format!("starting {name} and hello in turns, {} times", options.turns));
        for _ in 0..Options::WARM_UP {
            run::once(&hello).await?;
            run::once(&own).await?;
        }
        let mut turns = Vec::with_capacity(options.turns);
        for _ in 0..options.turns.max(1) {
            turns.push((run::once(&hello).await?, run::once(&own).await?));
        }
        bootstraps.push(compare(name, &hello, &own, &turns));
    }
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Report { cpus, turns: options.turns.max(1), bootstraps })
}

fn compare(name: &str, hello: &build::Bootstrap, own: &build::Bootstrap, turns: &[(run::Run, run::Run)]) -> Compared {
    let of = |value: &dyn Fn(&(run::Run, run::Run)) -> f64| median(&turns.iter().map(value).collect::<Vec<_>>());
    let own_figures = Figures {
        bytes: own.bytes,
        wall_ms: of(&|(_, own)| own.wall_ms),
        cpu_ms: of(&|(_, own)| own.cpu_ms),
        peak_kib: of(&|(_, own)| own.peak_kib as f64) as u64,
    };
    let hello_figures = Figures {
        bytes: hello.bytes,
        wall_ms: of(&|(hello, _)| hello.wall_ms),
        cpu_ms: of(&|(hello, _)| hello.cpu_ms),
        peak_kib: of(&|(hello, _)| hello.peak_kib as f64) as u64,
    };
    let wall_ratio = of(&|(hello, own)| own.wall_ms / hello.wall_ms);
    let cpu_ratio = of(&|(hello, own)| own.cpu_ms / hello.cpu_ms);
    let within_limits = own.bytes < MAX_BYTES && wall_ratio <= MAX_WALL_RATIO && cpu_ratio <= MAX_CPU_RATIO;
    Compared { name: name.into(), own: own_figures, hello: hello_figures, wall_ratio, cpu_ratio, within_limits }
}
