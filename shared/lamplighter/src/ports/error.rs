//! Why a backend did not do what it was asked.

use std::{fmt, sync::Arc};

/// Why a backend did not do what it was asked.
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Arc<str>,
}

/// The kinds of [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// Not reachable, or not able to answer now: the same call may go through later.
    Unavailable,
    /// Refused for want of permission or credentials.
    Denied,
    /// The request, or what is stored, does not make sense: the same call would fail again.
    Invalid,
}

impl StoreError {
    /// An error of `kind`; the message says what, why and what to do, in one sentence.
    #[must_use]
    pub fn new(kind: StoreErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string().into() }
    }

    /// An [`StoreErrorKind::Unavailable`].
    #[must_use]
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(StoreErrorKind::Unavailable, message)
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StoreError {}
