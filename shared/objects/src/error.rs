//! Errors of object stores.

use std::error::Error;

use lamplighter::JobError;

use crate::{key::InvalidKey, location::LocationError};

type Source = Box<dyn Error + Send + Sync>;

/// An error of an object store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The location is unknown.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The name is not a key.
    #[error(transparent)]
    Key(#[from] InvalidKey),
    /// There is no such object.
    #[error("there is no object {0}")]
    NotFound(String),
    /// The object is not the [version](crate::ObjectVersion) that its reader wants.
    #[error("{0} has changed since it was first read")]
    Changed(String),
    /// The object is larger than its reader accepts.
    #[error("{object} has {size} bytes, and at most {limit} are read")]
    TooLarge {
        /// The object.
        object: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// No such object can exist.
    #[error("{object} cannot be written: {reason}")]
    Unwritable {
        /// The object.
        object: String,
        /// Why not.
        reason: &'static str,
    },
    /// The store refuses.
    #[error(
        "the store does not allow access to {object}; S3 also reports this for a missing object if the role may not list the \
         bucket"
    )]
    Denied {
        /// The object.
        object: String,
        /// The store's own error.
        source: Source,
    },
    /// The store is unavailable.
    #[error("{location} cannot be used{hint}")]
    Unavailable {
        /// The store, or the object.
        location: String,
        /// A hint on what to do, or empty.
        hint: &'static str,
        /// The store's own error.
        source: Source,
    },
}

impl ObjectError {
    /// Returns whether the same call would fail again at any later time: a bad key, a missing, a changed or an
    /// oversized object, or one that the store can never hold. Settings, permissions and the store itself can be repaired meanwhile.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Key(_) | Self::NotFound(_) | Self::Changed(_) | Self::TooLarge { .. } | Self::Unwritable { .. }
        )
    }

    /// Converts the error for a worker: the job fails for good when the error is [permanent](Self::is_permanent), and
    /// is tried again otherwise.
    #[must_use]
    pub fn into_job_error(self) -> JobError {
        if self.is_permanent() { JobError::fail(self) } else { JobError::retry(self) }
    }
}
