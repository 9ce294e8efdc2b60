//! A library in the style of Hangfire's defaults, on SQL Server.

use lamplighter::Retry;

use super::{AtTheLimit, Library, Recovery, Stop, Timing};
use crate::{clock::ms, numbers::hangfire};

/// Returns the library in a process whose service manager or .NET host announces the stop.
pub(crate) fn in_process() -> Library {
    let polled = Timing::Polled(ms(hangfire::SCHEDULE_POLL));
    Library {
        workers: hangfire::WORKER_COUNT,
        pickup: ms(hangfire::QUEUE_POLL),
        delays: polled,
        ticks: polled,
        stop: Stop {
            noticed: 0,
            told: ms(hangfire::STOP_TIMEOUT),
            limit: ms(hangfire::SHUTDOWN_TIMEOUT),
            at_the_limit: AtTheLimit::Abandoned,
        },
        recovery: Recovery::Untouched { timeout: ms(hangfire::SLIDING_INVISIBILITY), every: ms(hangfire::KEEP_ALIVE) },
        retries: Retry::hangfire(),
        // A job that ends its process is fetched again without limit.
        max_receives: None,
        retry_is_a_new_message: false,
    }
}

/// Returns the library in ASP.NET, where it has to check for the shutdown.
pub(crate) fn in_asp_net() -> Library {
    let library = in_process();
    let noticed = ms(hangfire::SHUTDOWN_CHECK);
    let stop = Stop { noticed, told: noticed + library.stop.told, limit: noticed + library.stop.limit, ..library.stop };
    Library { stop, ..library }
}
