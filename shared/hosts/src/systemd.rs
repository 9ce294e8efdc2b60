//! systemd: `Type=notify` and the watchdog (sd_notify(3), systemd.service(5)).

use std::time::{Duration, Instant};

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, Phase, Status, StopRequest};
use sd_notify::NotifyState;

/// Reports the service's state to systemd. The stop itself arrives as SIGTERM: [`Signals`](crate::Signals).
///
/// - `READY=1` when all sources reach their queues for the first time.
/// - `WATCHDOG=1` while all of their loops turn, at half of `WatchdogSec`.
/// - `STOPPING=1` when it drains, and `EXTEND_TIMEOUT_USEC` as long as jobs run, so that the drain's budget holds even
///   where `TimeoutStopSec` is shorter.
#[derive(Debug)]
pub struct Systemd {
    watchdog: Option<Duration>,
    ready: bool,
    stopping: bool,
    fed: Option<Instant>,
    told: String,
}

/// The additional time that a report requests while the service drains: a few reports may be late.
const EXTENSION: Duration = Duration::from_secs(10);

impl Systemd {
    /// Creates it for a process that systemd has started as a service of type `notify`; `None` elsewhere.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
        let watchdog = sd_notify::watchdog_enabled();
        Some(Self { watchdog, ready: false, stopping: false, fed: None, told: String::new() })
    }

    fn notify(states: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            tracing::warn!(%error, "systemd could not be told how the service is");
        }
    }
}

#[async_trait]
impl Lifecycle for Systemd {
    async fn stop_requested(&mut self) -> StopRequest {
        std::future::pending().await
    }

    async fn report(&mut self, status: &Status) {
        let mut states = Vec::new();
        if status.phase == Phase::Running && !self.ready && status.is_ready() {
            self.ready = true;
            states.push(NotifyState::Ready);
        }
        if status.phase != Phase::Running {
            if !self.stopping {
                self.stopping = true;
                states.push(NotifyState::Stopping);
            }
            if status.phase == Phase::Draining {
                states.push(NotifyState::ExtendTimeoutUsec(u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX)));
            }
        }
        if let Some(watchdog) = self.watchdog
            && status.is_live()
            && self.fed.is_none_or(|fed| fed.elapsed() >= watchdog / 2)
        {
            self.fed = Some(Instant::now());
            states.push(NotifyState::Watchdog);
        }
        let problem = status.sources.iter().find_map(|source| source.problem.as_deref());
        let phase = match status.phase {
            Phase::Running => "running",
            Phase::Draining => "draining",
            Phase::Stopped => "stopped",
        };
        let line = match problem {
            Some(problem) => format!("{phase}, {} jobs; {problem}", status.in_flight()),
            None => format!("{phase}, {} jobs", status.in_flight()),
        };
        let line = line.replace(['\n', '\r'], " ");
        if line != self.told {
            states.push(NotifyState::Status(&line));
        }
        if !states.is_empty() {
            Self::notify(&states);
        }
        self.told = line;
    }
}
