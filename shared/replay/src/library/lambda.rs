//! Lambda functions for SQS.

use lamplighter::Options;

use super::{AtTheLimit, Library, Recovery, Stop, precision, receives};
use crate::{
    clock::ms,
    numbers::{aws, ours},
};

/// Returns the functions. There is no process to keep alive, and none that is stopped while it works.
pub(crate) fn lambda() -> Library {
    let retries = Options::default().retry;
    Library {
        workers: aws::LAMBDA_CONCURRENCY,
        pickup: 0,
        delays: precision(aws::SCHEDULE_PRECISION),
        ticks: precision(aws::SCHEDULE_PRECISION),
        stop: Stop { noticed: 0, told: 0, limit: 0, at_the_limit: AtTheLimit::Abandoned },
        recovery: Recovery::Hidden(ms(ours::FUNCTION_TIMEOUT * aws::VISIBILITY_FACTOR)),
        max_receives: Some(receives(&retries)),
        retry_is_a_new_message: false,
        retries,
    }
}
