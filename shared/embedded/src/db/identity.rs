//! The identity of a file, independent of its path.
//!
//! SQLite keeps using the file that it has opened, even after its path is gone; later writes are lost. Files are
//! compared by `stat` only: opening and closing one would end SQLite's own locks on it, because POSIX ties those to the
//! process rather than to a descriptor.

use std::{fs::Metadata, io, path::PathBuf};

use crate::error::FileLost;

/// A file's identity: its device and inode. No other file has the same as long as this one is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    number: u64,
}

impl FileId {
    #[cfg(unix)]
    pub(crate) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), number: metadata.ino() }
    }

    /// On other systems, an open file can be neither removed nor replaced.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Metadata) -> Self {
        Self { device: 0, number: 0 }
    }

    /// As part of a name in the system.
    #[cfg(target_os = "linux")]
    pub(crate) fn name(self) -> String {
        format!("{:x}-{:x}", self.device, self.number)
    }
}

/// A path, and the file that it named when it was looked up.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// Absolute, so that it stays the same after the process changes its directory.
    path: PathBuf,
    id: FileId,
}

impl Named {
    /// Looks up the file that this path names now.
    pub(crate) fn look(path: PathBuf) -> io::Result<Self> {
        let id = FileId::of(&std::fs::metadata(&path)?);
        Ok(Self { path, id })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Checks that the path still names the same file. If the disk does not answer, it counts as the same.
    pub(crate) fn check(&self) -> Result<(), FileLost> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if FileId::of(&metadata) == self.id => Ok(()),
            Ok(_) => Err(FileLost::Replaced { path: self.path.clone() }),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Err(FileLost::Removed { path: self.path.clone() })
            }
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    #[cfg(unix)]
    fn files_are_compared_by_identity_not_path() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        fs::write(&one, "1").unwrap();
        fs::hard_link(&one, &two).unwrap();
        let named = Named::look(one.clone()).unwrap();
        assert_eq!(named.id(), Named::look(two.clone()).unwrap().id());
        assert_eq!(named.check(), Ok(()));
        fs::remove_file(&one).unwrap();
        assert_eq!(named.check(), Err(FileLost::Removed { path: one.clone() }));
        fs::write(&one, "1").unwrap();
        assert_eq!(named.check(), Err(FileLost::Replaced { path: one.clone() }));
        fs::rename(&two, &one).unwrap();
        assert_eq!(named.check(), Ok(()));
    }
}
