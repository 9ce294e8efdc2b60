//! The harbour's jobs and schedules.

use lamplighter::{
    Job, Options, Queue, Retry, ScheduledJob, mins,
    schedule::{Schedule, ScheduleError},
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls a pilot for a ship.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallPilot {
    /// The ship.
    pub ship: String,
}

impl Job for CallPilot {
    const NAME: &'static str = "pilot.call";
    const QUEUE: Queue = Queue::standard("pilots");

    fn options() -> Options {
        Options::new().timeout(secs(20)).untracked()
    }
}

/// Reads the tide.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadTide {
    /// The gauge that is read.
    pub gauge: String,
}

impl Job for ReadTide {
    const NAME: &'static str = "tide.read";
    const QUEUE: Queue = Queue::fifo("tides");

    fn options() -> Options {
        Options::new().timeout(secs(40)).retry(Retry::exponential(secs(5)).attempts(4))
    }
}

/// Returns the schedules.
#[must_use]
#[expect(clippy::expect_used, reason = "it stands in this file, and a test deploys it")]
pub fn schedules() -> Vec<ScheduledJob> {
    let hourly = || -> Result<_, ScheduleError> {
        let gauge = ReadTide { gauge: "south".into() };
        Ok(vec![Schedule::rate("tides-hourly", mins(60))?.starts(&gauge)?])
    };
    hourly().expect("the schedules of the harbour are well formed")
}
