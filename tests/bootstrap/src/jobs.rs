//! The jobs.

use std::time::Duration;

use lamplighter::{Job, Options, Queue, QueueHost, Retry, mins, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Jobs that follow their arguments.
pub const ACTS: Queue = Queue::standard("acts");
/// The same, in order.
const ORDERED: Queue = Queue::fifo("ordered");
/// The jobs that the schedule starts.
const TICKS: Queue = Queue::standard("ticks").batch_size(1);

/// The jobs that run on workers only.
pub const PATIENTS: Queue = Queue::standard("patients").host(QueueHost::Worker);

/// The `source` of events that start an [`Act`].
pub const EVENT_SOURCE: &str = "lamplighter.e2e";
/// The `source` of events from which single fields start an [`Act`].
pub const SHOP: &str = "lamplighter.e2e.shop";
/// The schedule that starts a [`Tick`] every minute.
pub const TICK_SCHEDULE: &str = "e2e-tick";
/// The delay before a failed job's next attempt. Long enough to be observed, and far below the queues' visibility
/// timeout: a message that returns after this delay was released on purpose.
pub const RETRY_DELAY: Duration = secs(2);

/// Three attempts of two seconds each.
fn options() -> Options {
    Options::new().timeout(secs(2)).retry(Retry::fixed(RETRY_DELAY).attempts(3))
}

/// What a job does.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// It succeeds.
    #[default]
    Succeed,
    /// It fails each time.
    Fail,
    /// It fails each time until the file `repaired` exists beside the ledger.
    FailUntilRepaired,
    /// It fails for good.
    GiveUp,
    /// It panics each time.
    Panic,
    /// It runs for longer than its timeout.
    Sleep,
    /// In its first run, it waits for longer than its timeout.
    SleepAtFirst,
    /// In its first run, it blocks its thread for longer than its timeout.
    BlockAtFirst,
    /// It fails until this attempt, which succeeds.
    FailUntil {
        /// From 1.
        attempt: u32,
    },
}

macro_rules! told {
    ($(#[$doc:meta])* $type:ident, $name:literal, $queue:expr) => {
        $(#[$doc])*
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        pub struct $type {
            /// The label of its runs in the ledger.
            pub label: String,
            /// What it does.
            #[serde(default)]
            pub behaviour: Behaviour,
        }

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = $queue;

            fn options() -> Options {
                options()
            }
        }
    };
}

told!(
    /// Follows its arguments.
    Act, "e2e.act", ACTS
);
told!(
    /// Follows its arguments, in its group's order.
    Ordered, "e2e.ordered", ORDERED
);

/// Follows its arguments on workers, and may take its time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Patient {
    /// The label of its runs in the ledger.
    pub label: String,
    /// What it does.
    #[serde(default)]
    pub behaviour: Behaviour,
}

impl Job for Patient {
    const NAME: &'static str = "e2e.patient";
    const QUEUE: Queue = PATIENTS;

    fn options() -> Options {
        options().timeout(mins(10))
    }
}

/// Started by the schedule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tick {
    /// The label of its runs in the ledger.
    pub label: String,
}

impl Job for Tick {
    const NAME: &'static str = "e2e.tick";
    const QUEUE: Queue = TICKS;

    fn options() -> Options {
        options()
    }
}
