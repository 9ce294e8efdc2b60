//! Measures how soon a Lambda bootstrap is ready: from `exec` to its first call of `/next`, relative to the smallest
//! program with `lambda_runtime`.
//!
//! Each bootstrap is built separately with the profile `lambda`, then started again and again against a runtime API of
//! its own on this machine, in turns with the hello world (A B A B …), so that other load on the machine affects both.
//! Ratios are the medians of the ratios within each turn.
//!
//! | figure | what is counted |
//! | --- | --- |
//! | wall | from just before the process is spawned until the runtime API has read its request for an invocation |
//! | CPU | user and system time of the process and its threads until then |
//! | memory | the peak of its resident set until then (`VmHWM`) |

pub(crate) mod build;
mod calls;
pub(crate) mod environment;
mod limits;
mod process;
mod run;

use serde::Serialize;

pub use self::{
    calls::{Cost, FirstCalls},
    limits::Limits,
};
use crate::embedded::median;

/// The options of the benchmark.
#[derive(Debug, Clone)]
pub struct Options {
    /// The names of binaries. For `tracked`, the first calls are measured too.
    pub bootstraps: Vec<String>,
    /// The number of turns that count, for each bootstrap.
    pub turns: usize,
}

impl Options {
    /// Turns before those that count: they load the files into the cache.
    const WARM_UP: usize = 5;
}

/// The smallest functions: without records, with traces that are switched off, and with records.
impl Default for Options {
    fn default() -> Self {
        let bootstraps = ["stateless", "traced", "tracked"];
        Self { bootstraps: bootstraps.map(ToOwned::to_owned).to_vec(), turns: 60 }
    }
}

/// All figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The number of processors that the process may use.
    pub cpus: usize,
    /// The number of turns that counted, for each bootstrap.
    pub turns: usize,
    /// Each bootstrap, with the hello world that ran in turns with it.
    pub bootstraps: Vec<Compared>,
    /// The cost of the first AWS calls.
    pub first_calls: Vec<FirstCalls>,
}

/// A bootstrap compared with the hello world.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// The binary's name.
    pub name: String,
    /// Its figures.
    pub own: Figures,
    /// The figures of the hello world.
    pub hello: Figures,
    /// The median ratio of wall times.
    pub wall_ratio: f64,
    /// The median ratio of CPU times.
    pub cpu_ratio: f64,
    /// Its limits, if it has any.
    pub limits: Option<Limits>,
    /// The limits that it exceeds, in words.
    pub beyond: Vec<String>,
}

/// The medians of a bootstrap.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// The size of the stripped file.
    pub bytes: u64,
    /// From exec to the first call of `/next`.
    pub wall_ms: f64,
    /// User and system time up to that call.
    pub cpu_ms: f64,
    /// The peak of the resident set up to that call, in KiB.
    pub peak_kib: u64,
}

/// Why the benchmark failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartupError {
    /// A bootstrap could not be built.
    #[error("{name} could not be built by `{command}`: {reason}")]
    Build {
        /// The bootstrap.
        name: String,
        /// The command.
        command: String,
        /// The end of the build's output.
        reason: String,
    },
    /// Cargo does not return which functions are deployed.
    #[error("cargo does not say which functions are deployed: {0}; name the bootstraps to measure")]
    Functions(String),
    /// A bootstrap could not be started.
    #[error("{name} could not be started: {source}")]
    Start {
        /// The bootstrap.
        name: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A bootstrap did not ask for an invocation.
    #[error("{name} was started, but did not ask for an invocation within {seconds} s: it has failed, or hangs")]
    Silent {
        /// The bootstrap.
        name: String,
        /// The time that it had.
        seconds: u64,
    },
    /// The machine does not provide a measurement.
    #[error("this machine does not tell what a process used ({what}): the measure needs Linux with /proc")]
    Unmeasured {
        /// The measurement.
        what: &'static str,
    },
    /// A bootstrap did not make the intended calls for an invocation.
    #[error("the first calls of {name} were not measured: {what}")]
    Calls {
        /// The bootstrap.
        name: String,
        /// The calls that it made.
        what: String,
    },
    /// The certificates cannot be created.
    #[error("a certificate for services on this machine is needed: {0}")]
    Stage(String),
    /// The runtime API cannot be started.
    #[error("a port on the loopback interface is needed: {0}")]
    Port(std::io::Error),
}

/// Returns the functions of this deployment: the binaries that cargo builds by default here, as for `cargo lambda
/// build`.
///
/// # Errors
/// When cargo cannot be run.
pub fn deployed_functions() -> Result<Vec<String>, StartupError> {
    build::default_binaries()
}

/// Builds the named bootstraps, and measures them. `progress` is called with each next step.
///
/// # Errors
/// When a bootstrap cannot be built, started, or measured.
pub async fn run(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Result<Report, StartupError> {
    let hello = build::bootstrap("hello", progress).await?;
    let turns = options.turns.max(1);
    let mut bootstraps = Vec::with_capacity(options.bootstraps.len());
    let mut first_calls = Vec::new();
    for name in &options.bootstraps {
        let own = build::bootstrap(name, progress).await?;
        progress(&format!("starting {name} and hello in turns, {turns} times"));
        for _ in 0..Options::WARM_UP {
            run::once(&hello).await?;
            run::once(&own).await?;
        }
        let mut pairs = Vec::with_capacity(turns);
        for _ in 0..turns {
            pairs.push((run::once(&hello).await?, run::once(&own).await?));
        }
        bootstraps.push(compare(name, &hello, &own, &pairs));
        if name == "tracked" {
            progress(&format!("first calls of {name}, {turns} times without connections made ahead and with them"));
            first_calls.extend(calls::Stage::new()?.measure(&own, Options::WARM_UP, turns).await?);
        }
    }
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Report { cpus, turns, bootstraps, first_calls })
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
    let mut compared = Compared {
        name: name.into(),
        own: own_figures,
        hello: hello_figures,
        wall_ratio: of(&|(hello, own)| own.wall_ms / hello.wall_ms),
        cpu_ratio: of(&|(hello, own)| own.cpu_ms / hello.cpu_ms),
        limits: Limits::of(name),
        beyond: Vec::new(),
    };
    compared.beyond = compared.limits.map(|limits| limits.beyond(&compared)).unwrap_or_default();
    compared
}
