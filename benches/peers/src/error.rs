//! Errors of the harness.

use std::{io, path::Path};

/// Why something is not measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file or a program.
    #[error("{what}: {source}")]
    Io {
        /// What was done.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// A tool is missing or too old, or refuses.
    #[error("{0}")]
    Tool(String),
    /// A line of a driver or of the file of runs.
    #[error("{what}: {source}")]
    Json {
        /// What was read.
        what: String,
        /// The cause.
        source: serde_json::Error,
    },
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// For `map_err`: says what was done with a file.
pub(crate) fn at(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let what = format!("{what} {}", path.display());
    |source| Error::Io { what, source }
}
