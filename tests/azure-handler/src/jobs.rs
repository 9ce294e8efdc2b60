//! The jobs.

use std::time::Duration;

use lamplighter::{Job, Options, Queue, Retry, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schedule that starts a [`Tick`] at each full hour.
pub const TICK_SCHEDULE: &str = "hourly";
/// How long a failed job waits.
pub const RETRY_DELAY: Duration = secs(2);

/// What a job does.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// It succeeds.
    #[default]
    Succeed,
    /// It fails each time.
    Fail,
    /// It fails each time until this attempt, which succeeds.
    FailUntil {
        /// From 1.
        attempt: u32,
    },
    /// It takes longer than its timeout.
    Sleep,
    /// It sleeps each time until this attempt, which succeeds.
    SleepUntil {
        /// From 1.
        attempt: u32,
    },
    /// It blocks its thread.
    Block,
    /// It takes its process down.
    EndTheProcess,
}

/// Does what it is told, within two seconds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// Whose run is written down.
    pub label: String,
    /// What it does.
    pub behaviour: Behaviour,
}

impl Job for Act {
    const NAME: &'static str = "azure.act";
    const QUEUE: Queue = Queue::standard("acts");

    fn options() -> Options {
        Options::new().timeout(secs(2)).retry(Retry::fixed(RETRY_DELAY).attempts(3))
    }
}

/// Does what it is told, and may take its time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// Whose run is written down.
    pub label: String,
    /// What it does.
    pub behaviour: Behaviour,
}

impl Job for Hold {
    const NAME: &'static str = "azure.hold";
    const QUEUE: Queue = Queue::standard("holds");

    fn options() -> Options {
        Options::new().timeout(secs(600)).retry(Retry::fixed(RETRY_DELAY).attempts(10))
    }
}

/// Runs by itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tick {}

impl Job for Tick {
    const NAME: &'static str = "azure.tick";
    const QUEUE: Queue = Queue::standard("ticks");
}
