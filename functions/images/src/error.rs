//! Why there are no thumbnails, and what follows.

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
    #[error("there is no memory for the {bytes} bytes that the pixels of {key} take: give the function more")]
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
    /// What is wrong with the arguments or the picture ends the job; what is wrong with the store or the machine is tried
    /// again.
    pub(crate) fn into_job_error(self) -> JobError {
        match self {
            Self::Object(error) => error.into_job_error(),
            Self::Sizes | Self::Picture(_) | Self::Thumbnail(_) => JobError::fail(self),
            Self::Memory { .. } | Self::Stopped(_) => JobError::retry(self),
        }
    }
}
