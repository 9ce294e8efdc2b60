//! The jobs.

use std::time::Duration;

use lamplighter::{Job, Options, Queue, Retry, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The schedule that starts a [`Tick`] at each full hour.
pub const TICK_SCHEDULE: &str = "hourly";
/// The delay before a failed job's next attempt.
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
    /// It runs for longer than its timeout.
    Sleep,
    /// It runs for longer than its timeout each time until this attempt, which succeeds.
    SleepUntil {
        /// From 1.
        attempt: u32,
    },
    /// It blocks its thread.
    Block,
    /// It ends its process.
    EndTheProcess,
}

/// Follows its arguments, with a timeout of two seconds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    /// The label of its runs in the ledger.
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

/// Follows its arguments, with a long timeout.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// The label of its runs in the ledger.
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

/// Started by the schedule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tick {}

impl Job for Tick {
    const NAME: &'static str = "azure.tick";
    const QUEUE: Queue = Queue::standard("ticks");
}
