//! The error of a backend.

use std::{fmt, sync::Arc};

/// Why a backend refused or failed a call.
#[derive(Debug, Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    message: Arc<str>,
}

/// The kinds of [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// Not reachable, or not able to answer now: the same call may succeed later.
    Unavailable,
    /// Refused: permission or credentials are missing.
    Denied,
    /// The request, or the stored data, is invalid: the same call would fail again.
    Invalid,
    /// The store is gone or damaged, whatever is asked for: every call fails until somebody repairs it.
    Broken,
}

impl StoreError {
    /// An error of `kind`; the message says what happened, why, and what to do, in one sentence.
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
