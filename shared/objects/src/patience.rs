//! The timeouts of a store. A bucket that accepts a connection and never answers counts as unavailable.

use std::time::Duration;

/// The timeouts of a store, per step and in total.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Making a TCP connection, unless `AWS_CONNECT_TIMEOUT` is set.
    pub(crate) connect: Duration,
    /// From sending a request to the first byte of its answer, with name resolution, connection and TLS handshake.
    /// A request that carries an object has one more second per MiB.
    pub(crate) answer: Duration,
    /// Between two pieces of an answer.
    pub(crate) pause: Duration,
    /// A whole call, with its retries.
    pub(crate) call: Duration,
}

impl Patience {
    pub(crate) const DEFAULT: Self = Self {
        connect: Duration::from_secs(5),
        answer: Duration::from_secs(20),
        pause: Duration::from_secs(20),
        call: Duration::from_secs(60),
    };
}
