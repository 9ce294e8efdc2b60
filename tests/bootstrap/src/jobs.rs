//! The jobs.

use std::time::Duration;

use lamplighter::{Job, Options, Queue, Retry, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Jobs that do what they are told.
pub const ACTS: Queue = Queue::standard("acts");
/// The same, in order.
const ORDERED: Queue = Queue::fifo("ordered");
/// What the schedule starts.
const TICKS: Queue = Queue::standard("ticks").batch_size(1);

/// The `source` of events that start an [`Act`].
pub const EVENT_SOURCE: &str = "lamplighter.e2e";
/// The `source` of events of which single fields start an [`Act`].
pub const SHOP: &str = "lamplighter.e2e.shop";
/// The schedule that starts a [`Tick`] every minute.
pub const TICK_SCHEDULE: &str = "e2e-tick";
/// How long a failed job waits. Long enough to be seen, and far below the queues' visibility timeout: who comes back
/// after that time has been sent back on purpose.
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
    /// It fails each time until there is a file `repaired` beside the ledger.
    FailUntilRepaired,
    /// It fails for good.
    GiveUp,
    /// It panics each time.
    Panic,
    /// It takes longer than its timeout.
    Sleep,
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
            /// Whose run is written down.
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
    /// Does what it is told.
    Act, "e2e.act", ACTS
);
told!(
    /// Does what it is told, in its group's order.
    Ordered, "e2e.ordered", ORDERED
);

/// Runs by itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Tick {
    /// Whose run is written down.
    pub label: String,
}

impl Job for Tick {
    const NAME: &'static str = "e2e.tick";
    const QUEUE: Queue = TICKS;

    fn options() -> Options {
        options()
    }
}
