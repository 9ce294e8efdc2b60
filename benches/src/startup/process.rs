//! A running bootstrap, and the resources that it has used.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use lamplighter_fakes::RuntimeApi;
use nix::{
    time::{clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

use super::{StartupError, build::Bootstrap};

/// The time limit of a start or an invocation.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A process that is killed when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The moment just before it was started.
    pub(super) started: Instant,
}

impl Process {
    pub(super) fn start(bootstrap: &Bootstrap, environment: Vec<(&'static str, String)>) -> Result<Self, StartupError> {
        let mut command = Command::new(&bootstrap.path);
        command.env_clear().envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let child = command.spawn();
        let child = child.map_err(|source| StartupError::Start { name: bootstrap.name.clone(), source })?;
        Ok(Self { child, started })
    }

    /// Returns the time until it requested its first invocation.
    pub(super) async fn ready(&self, bootstrap: &Bootstrap, api: &RuntimeApi) -> Result<Duration, StartupError> {
        let next = tokio::time::timeout(PATIENCE, api.first_next()).await;
        let silent = || StartupError::Silent { name: bootstrap.name.clone(), seconds: PATIENCE.as_secs() };
        Ok(next.map_err(|_| silent())?.duration_since(self.started))
    }

    /// Returns the user and system time of the process and all its threads so far.
    pub(super) fn cpu(&self) -> Result<Duration, StartupError> {
        let unmeasured = |_| StartupError::Unmeasured { what: "its CPU clock" };
        let id = i32::try_from(self.child.id()).map_err(|_| StartupError::Unmeasured { what: "its id" })?;
        let clock = clock_getcpuclockid(Pid::from_raw(id)).map_err(unmeasured)?;
        Ok(clock_gettime(clock).map_err(unmeasured)?.into())
    }

    /// Returns the peak of its resident set so far, in KiB.
    pub(super) fn peak_kib(&self) -> Result<u64, StartupError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok();
        let peak = status.as_deref().and_then(|status| {
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_whitespace().nth(1)?.parse().ok()
        });
        peak.ok_or(StartupError::Unmeasured { what: "VmHWM" })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended and been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
