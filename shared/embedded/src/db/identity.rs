//! Which file it is, whatever it is called.
//!
//! SQLite goes on with the file that it has opened, also when that has no name any more: what it writes then is found by
//! nobody. Files are compared by `stat` alone: to open one and close it again would end SQLite's own locks on it, which
//! POSIX gives to a process rather than to a descriptor.

use std::{fs::Metadata, io, path::PathBuf};

use crate::error::FileLost;

/// A file, whatever its name: a device, and a number there. No other file has them as long as this one is open.
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

    /// Elsewhere an open file can be neither removed nor replaced.
    #[cfg(not(unix))]
    pub(crate) fn of(_: &Metadata) -> Self {
        Self { device: 0, number: 0 }
    }

    /// In words for the system, as part of a name.
    #[cfg(target_os = "linux")]
    pub(crate) fn name(self) -> String {
        format!("{:x}-{:x}", self.device, self.number)
    }
}

/// A name, and the file that it had when it was looked at.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// Absolute, so that it means the same when the process has gone to another folder.
    path: PathBuf,
    id: FileId,
}

impl Named {
    /// The file that this name has now.
    pub(crate) fn look(path: PathBuf) -> io::Result<Self> {
        let id = FileId::of(&std::fs::metadata(&path)?);
        Ok(Self { path, id })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Whether the name still means the same file. A disk that does not say counts as one that does.
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
    fn a_file_is_known_by_what_it_is_and_not_by_its_name() {
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
