//! `lamp work`: a process that polls SQS, renews its leases, and drains when it is stopped.

use std::time::Duration;

use lamplighter::Options;

use super::{AtTheLimit, Library, Recovery, Stop, precision, receives};
use crate::{
    clock::ms,
    numbers::{aws, ours},
};

/// The time that a stopped worker has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drain {
    /// Its own budget: a service manager waits for it.
    Own,
    /// The platform kills it after this long. A part of that is for handing back.
    Within(Duration),
}

impl Drain {
    fn handlers(self) -> u64 {
        let (part, of) = ours::DRAIN_PART;
        match self {
            Self::Own => ms(ours::DRAIN),
            Self::Within(limit) => ms(limit * part / of),
        }
    }
}

/// Returns the poller. AWS keeps delays and schedules.
pub(crate) fn poller(drain: Drain) -> Library {
    let retries = Options::default().retry;
    Library {
        workers: ours::JOBS_AT_ONCE,
        // Long polling: a message is received as it arrives.
        pickup: 0,
        delays: precision(aws::SCHEDULE_PRECISION),
        ticks: precision(aws::SCHEDULE_PRECISION),
        stop: Stop { noticed: 0, told: 0, limit: drain.handlers(), at_the_limit: AtTheLimit::HandedBack },
        recovery: Recovery::Untouched { timeout: ms(ours::LEASE), every: ms(ours::RENEWED_AT) },
        max_receives: Some(receives(&retries)),
        retry_is_a_new_message: false,
        retries,
    }
}
