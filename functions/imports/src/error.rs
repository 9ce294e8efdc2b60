//! Why an import cannot go on, and whether its job is tried again.

use lamplighter::{EnqueueError, JobError, backend::StoreErrorKind};
use lamplighter_jobs::ImportCsv;
use lamplighter_objects::{InvalidKey, ObjectError};

use crate::table::TableError;

/// Why an import cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("\"delimiter\" is a tab, or an ASCII character that can be printed, but no quotation mark")]
    Delimiter,
    #[error(
        "\"columns\" has at most {} columns with different names of 1 to {} characters",
        ImportCsv::MAX_COLUMNS,
        ImportCsv::MAX_NAME
    )]
    Columns,
    #[error(
        "\"range_bytes\" is a number from {} to {}",
        ImportCsv::RANGE_BYTES.start(),
        ImportCsv::RANGE_BYTES.end()
    )]
    RangeBytes,
    #[error(
        "the id of an import has at most {} characters: its batch and its folder are named after it",
        crate::MAX_ID
    )]
    Id,
    #[error("the CSV is in UTF-16: store it in UTF-8")]
    Utf16,
    #[error(
        "the CSV has no first row that can be read: it is too large, a quotation mark in it is never closed, or there are \
             only empty lines before it"
    )]
    FirstRow,
    #[error("the CSV cannot be imported: {0}")]
    Table(#[from] TableError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error("the results of range {0} cannot be read: {1}")]
    Results(u64, serde_json::Error),
    #[error("a result cannot be written as JSON, or read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0} is a job of a batch, and csv.import enqueues it in one")]
    NoBatch(&'static str),
    #[error("the work was stopped")]
    Stopped,
    /// What a handler returns to go on later.
    #[error("{0}")]
    Job(JobError),
}

impl From<InvalidKey> for Error {
    fn from(error: InvalidKey) -> Self {
        Self::Object(error.into())
    }
}

impl From<JobError> for Error {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

impl Error {
    /// Errors of the arguments or the CSV end the job; those of the stores are tried again.
    pub(crate) fn into_job_error(self) -> JobError {
        match self {
            Self::Job(error) => error,
            Self::Object(error) => error.into_job_error(),
            Self::Enqueue(EnqueueError::Backend(error)) if error.kind() != StoreErrorKind::Invalid => {
                JobError::retry(error)
            }
            Self::Stopped => JobError::retry(self),
            error => JobError::fail(error),
        }
    }
}
