//! What a process costs while its engine has nothing to do.

use std::time::Duration;

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};
use serde::Serialize;
use tokio::time::Instant;

/// Until then, some threads still look for more work.
const SETTLED: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(10);

/// The cost of an idle engine.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Idle {
    /// How often threads of the process wake up.
    pub wake_ups_per_second: f64,
    /// The time on a processor, as a share.
    pub cpu_percent: f64,
}

/// Measures this process.
pub(crate) async fn measure() -> nix::Result<Idle> {
    tokio::time::sleep(SETTLED).await;
    let (before, began) = (Usage::now()?, Instant::now());
    tokio::time::sleep(MEASURED).await;
    let (after, seconds) = (Usage::now()?, began.elapsed().as_secs_f64());
    let cpu = (after.cpu - before.cpu).num_microseconds() as f64 / 1e6;
    Ok(Idle {
        wake_ups_per_second: (after.switches - before.switches) as f64 / seconds,
        cpu_percent: cpu / seconds * 100.0,
    })
}

struct Usage {
    /// A thread that waits gives up its processor once for each time that it wakes up.
    switches: i64,
    cpu: TimeVal,
}

impl Usage {
    fn now() -> nix::Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Self { switches: usage.voluntary_context_switches(), cpu: usage.user_time() + usage.system_time() })
    }
}
