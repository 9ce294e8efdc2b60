//! How long a store may take. A bucket that accepts a connection and never answers is as good as away.

use std::time::Duration;

/// How long a store may take, step by step and in all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Making a TCP connection, where `AWS_CONNECT_TIMEOUT` does not say otherwise.
    pub(crate) connect: Duration,
    /// From sending a request to the first byte of its answer, with name resolution, connection and TLS handshake.
    /// A request that carries an object gets a second more for each MiB.
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
