//! One start.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_aws::testing::RuntimeApi;
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};

use super::{StartupError, build::Bootstrap};

/// How long a start may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one start took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) wall_ms: f64,
    pub(super) cpu_ms: f64,
    pub(super) peak_kib: u64,
}

/// Starts a bootstrap, and ends it when it asks for an invocation.
pub(super) async fn once(bootstrap: &Bootstrap) -> Result<Run, StartupError> {
    let api = RuntimeApi::start().await.map_err(StartupError::Port)?;
    let before = cpu_of_children()?;
    let mut command = Command::new(&bootstrap.path);
    command.env_clear().envs(api.environment(&bootstrap.name));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let child = command.spawn();
    let mut child = Ended(child.map_err(|source| StartupError::Start { name: bootstrap.name.clone(), source })?);
    let next = tokio::time::timeout(PATIENCE, api.first_next()).await;
    let next = next.map_err(|_| StartupError::Silent { name: bootstrap.name.clone(), seconds: PATIENCE.as_secs() })?;
    let peak_kib = peak(child.0.id()).ok_or(StartupError::Unmeasured { what: "VmHWM" })?;
    child.end();
    // Only this child has ended since: nobody else's time is in the difference.
    let cpu = cpu_of_children()?.saturating_sub(before);
    Ok(Run { wall_ms: milliseconds(next.duration_since(start)), cpu_ms: milliseconds(cpu), peak_kib })
}

/// A process that does not outlive its measure.
struct Ended(Child);

impl Ended {
    fn end(&mut self) {
        // Both fail only when it has ended and been waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.end();
    }
}

/// User and system time of all children that have been waited for.
fn cpu_of_children() -> Result<Duration, StartupError> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN);
    let usage = usage.map_err(|_| StartupError::Unmeasured { what: "getrusage" })?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

/// The peak of a process's resident set, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
