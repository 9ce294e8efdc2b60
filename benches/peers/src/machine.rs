//! The machine that the figures are from.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Result, at},
    place,
    stats::Spread,
};

/// Commits whose wait for the disk is timed.
const COMMITS: usize = 50;

/// What a reader needs to judge the figures by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_gib: f64,
    pub(crate) system: String,
    pub(crate) rustc: String,
    /// The commit that was measured.
    pub(crate) commit: String,
    /// How long a small write waits for the disk, in milliseconds, in the median.
    pub(crate) disk_wait_ms: f64,
    pub(crate) at: jiff::Timestamp,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn here() -> Result<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kib: f64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let release = read("/etc/os-release");
        let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
        Ok(Self {
            processor: value(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib / 1024.0 / 1024.0,
            system: format!("{}, Linux {}", name.trim_matches('"'), read("/proc/sys/kernel/osrelease").trim()),
            rustc: said(Command::new("rustc").arg("--version")),
            commit: said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).current_dir(place::home())),
            disk_wait_ms: disk_wait(&place::target("data")?)?,
            at: jiff::Timestamp::now(),
        })
    }
}

/// The load average of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn said(command: &mut Command) -> String {
    command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn disk_wait(folder: &Path) -> Result<f64> {
    let path = folder.join("wait");
    let mut file = File::create(&path).map_err(at("making", &path))?;
    let mut waits = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        file.write_all(&[1; 4096]).map_err(at("writing", &path))?;
        let began = Instant::now();
        file.sync_data().map_err(at("writing", &path))?;
        waits.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    drop(file);
    fs::remove_file(&path).map_err(at("removing", &path))?;
    Ok(Spread::of(waits).map_or(0.0, |spread| spread.median))
}
