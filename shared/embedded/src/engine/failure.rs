//! Why an engine ends early.

use std::path::PathBuf;

use crate::error::FileLost;

/// Why an engine ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The file was removed or replaced.
    #[error("the engine ends: {0}")]
    File(FileLost),
    /// The lock file was removed, and another engine has locked the new one.
    #[error(
        "the engine ends: its lock {} was removed, and another engine on the same file holds it now; stop one of them, and \
         leave the lock where it is",
        lock.display()
    )]
    Lock {
        /// The lock file.
        lock: PathBuf,
    },
}
