//! Why an engine ends by itself.

use std::path::PathBuf;

use crate::error::FileLost;

/// Why an engine ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Its file is gone, or is not the same any more.
    #[error("the engine ends: {0}")]
    File(FileLost),
    /// The file of its lock was removed, and another engine has locked the new one.
    #[error(
        "the engine ends: its lock {} was removed, and another engine on the same file holds it now; stop one of them, and \
         leave the lock where it is",
        lock.display()
    )]
    Lock {
        /// The file of the lock.
        lock: PathBuf,
    },
}
