//! Azure Functions with a custom handler, for storage queues.

use lamplighter::Options;

use super::{AtTheLimit, Library, Recovery, Stop, Timing};
use crate::{clock::ms, numbers::azure};

/// Returns the functions of one app. The host runs timers: after an outage it fires one for all missed ticks. The queue
/// keeps delays. The host kills a custom handler without notice.
pub(crate) fn functions() -> Library {
    Library {
        workers: azure::CONCURRENCY,
        pickup: ms(azure::LONGEST_POLL),
        delays: Timing::Platform(0),
        ticks: Timing::Exact,
        stop: Stop { noticed: 0, told: 0, limit: 0, at_the_limit: AtTheLimit::Abandoned },
        recovery: Recovery::Untouched { timeout: ms(azure::VISIBILITY), every: ms(azure::VISIBILITY) / 2 },
        max_receives: Some(azure::MAX_DEQUEUE_COUNT),
        retry_is_a_new_message: true,
        retries: Options::default().retry,
    }
}
