//! Why there is no report, and whether it is tried again.

use jiff::civil::Date;
use lamplighter::{
    JobError,
    backend::{StoreError, StoreErrorKind},
};
use lamplighter_objects::{InvalidKey, ObjectError};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there are no records to report on: this worker has no store. Give it a table, or run it embedded")]
    Stateless,
    #[error("{0} is not a day that records can be from")]
    Day(Date),
    #[error("the records of {day} cannot be read")]
    Records { day: Date, source: StoreError },
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("the report cannot be written as HTML")]
    Html(#[from] askama::Error),
    #[error("the report cannot be written as CSV")]
    Csv(#[from] csv::Error),
}

impl From<InvalidKey> for Error {
    fn from(error: InvalidKey) -> Self {
        Self::Object(error.into())
    }
}

impl Error {
    /// Errors of unavailable stores and of permissions are tried again; the others would not change.
    pub(crate) fn into_job_error(self) -> JobError {
        match self {
            Self::Object(error) => error.into_job_error(),
            Self::Records { ref source, .. } if source.kind() != StoreErrorKind::Invalid => JobError::retry(self),
            Self::Stateless | Self::Day(_) | Self::Records { .. } | Self::Html(_) | Self::Csv(_) => {
                JobError::fail(self)
            }
        }
    }
}
