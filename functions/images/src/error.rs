//! Why there are no thumbnails, and whether the job is tried again.

use lamplighter::JobError;
use lamplighter_jobs::MakeThumbnails;
use lamplighter_objects::{InvalidKey, ObjectError};

use crate::{picture::PictureError, thumbnail::ThumbnailError, work::Stopped};

/// Why there are no thumbnails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "\"sizes\" has 1 to {} different numbers from {} to {}",
        MakeThumbnails::MAX_SIZES,
        MakeThumbnails::EDGES.start(),
        MakeThumbnails::EDGES.end()
    )]
    Sizes,
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Thumbnail(#[from] ThumbnailError),
    #[error("out of memory: the pixels of {key} take {bytes} bytes; give the function more")]
    Memory { key: String, bytes: usize },
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl From<InvalidKey> for Error {
    fn from(error: InvalidKey) -> Self {
        Self::Object(error.into())
    }
}

impl Error {
    /// Errors of the arguments or the picture end the job; errors of the store or the machine are tried again.
    pub(crate) fn into_job_error(self) -> JobError {
        match self {
            Self::Object(error) => error.into_job_error(),
            Self::Sizes | Self::Picture(_) | Self::Thumbnail(_) => JobError::fail(self),
            Self::Memory { .. } | Self::Stopped(_) => JobError::retry(self),
        }
    }
}
