//! What can go wrong with objects.

use std::error::Error;

use lamplighter::JobError;

use crate::{key::InvalidKey, location::LocationError};

type Source = Box<dyn Error + Send + Sync>;

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The place is not known.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The name is none.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(String),
    /// The object is larger than its reader takes.
    #[error("{object} has {size} bytes, and at most {limit} are read")]
    TooLarge {
        /// The object.
        object: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// There can be no such object.
    #[error("{object} cannot be written: {reason}")]
    Unwritable {
        /// The object.
        object: String,
        /// What stands against it.
        reason: &'static str,
    },
    /// The store refuses.
    #[error(
        "the store does not allow access to {object}; S3 also says so of a missing object when the role may not list the \
         bucket"
    )]
    Denied {
        /// The object.
        object: String,
        /// The store's own words.
        source: Source,
    },
    /// The store cannot do it now.
    #[error("{location} cannot be used{hint}")]
    Unavailable {
        /// The store, or the object.
        location: String,
        /// What to do, where that is known.
        hint: &'static str,
        /// The store's own words.
        source: Source,
    },
}

impl ObjectError {
    /// Whether the same call would fail again, however long one waits: a bad key, a missing or an oversized object, or one
    /// that the store can never hold. Settings, permissions and the store itself can be repaired meanwhile.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Key(_) | Self::NotFound(_) | Self::TooLarge { .. } | Self::Unwritable { .. })
    }

    /// The error as a worker understands it: the job fails for good when the error is
    /// [permanent](Self::is_permanent), and is tried again otherwise.
    #[must_use]
    pub fn into_job_error(self) -> JobError {
        if self.is_permanent() { JobError::fail(self) } else { JobError::retry(self) }
    }
}
