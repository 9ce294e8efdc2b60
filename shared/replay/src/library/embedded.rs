//! The embedded engine: one SQLite file, one process.

use lamplighter::Options;

use super::{AtTheLimit, Library, Recovery, Stop, Timing, receives};
use crate::{clock::ms, numbers::ours};

/// Returns the engine in a service. It contains the queues and the scheduler, so its process must be alive to notice
/// that a job is due.
pub(crate) fn engine() -> Library {
    let retries = Options::default().retry;
    Library {
        workers: ours::JOBS_AT_ONCE,
        pickup: 0,
        delays: Timing::Exact,
        ticks: Timing::Exact,
        stop: Stop { noticed: 0, told: 0, limit: ms(ours::DRAIN), at_the_limit: AtTheLimit::HandedBack },
        // It uses the file alone: no other process runs its jobs.
        recovery: Recovery::NextStart,
        max_receives: Some(receives(&retries)),
        retry_is_a_new_message: false,
        retries,
    }
}
