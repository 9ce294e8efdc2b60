//! The embedded engine: one SQLite file, one process.

use lamplighter::Options;

use super::{AtTheLimit, Library, Recovery, Stop, Timing, receives};
use crate::{clock::ms, numbers::ours};

/// The engine in a service. It plays the queues and the scheduler, so that it takes the process to notice that it is time.
pub(crate) fn engine() -> Library {
    let retries = Options::default().retry;
    Library {
        workers: ours::JOBS_AT_ONCE,
        pickup: 0,
        delays: Timing::Exact,
        ticks: Timing::Exact,
        stop: Stop { noticed: 0, told: 0, limit: ms(ours::DRAIN), at_the_limit: AtTheLimit::HandedBack },
        // It holds the file alone: what was running is nobody's.
        recovery: Recovery::NextStart,
        max_receives: Some(receives(&retries)),
        retry_is_a_new_message: false,
        retries,
    }
}
