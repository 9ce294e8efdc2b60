//! Compares the files in a folder with the derived ones.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::AzureFiles;
use crate::committed::{CheckError, first_difference};

/// A file that differs from the derived one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Its content differs: the first line that differs, counted from 1.
    Stale {
        /// The path in the folder.
        path: String,
        /// The line.
        line: usize,
    },
    /// It does not exist.
    Missing {
        /// The path in the folder.
        path: String,
    },
    /// It is the trigger of a queue or schedule that the app does not have: it would still be deployed.
    Superfluous {
        /// The path in the folder.
        path: String,
    },
}

impl FileState {
    /// Returns the path in the folder.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Stale { path, .. } | Self::Missing { path } | Self::Superfluous { path } => path,
        }
    }
}

impl AzureFiles {
    /// Returns the files of a folder that differ, in the order of their paths. Line ends do not matter, nor do other
    /// files.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn check(&self, folder: &Path) -> Result<Vec<FileState>, CheckError> {
        let mut differing = Vec::new();
        for (path, wanted) in self.iter() {
            let file = folder.join(path);
            match fs::read_to_string(&file) {
                Ok(there) => {
                    let line = first_difference(&there, wanted);
                    differing.extend(line.map(|line| FileState::Stale { path: path.into(), line }));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    differing.push(FileState::Missing { path: path.into() });
                }
                Err(source) => return Err(unreadable(file, source)),
            }
        }
        for path in functions_in(folder)? {
            if self.get(&path).is_none() {
                differing.push(FileState::Superfluous { path });
            }
        }
        differing.sort_by(|a, b| a.path().cmp(b.path()));
        Ok(differing)
    }
}

/// Returns the triggers of queues and schedules in a folder.
fn functions_in(folder: &Path) -> Result<Vec<String>, CheckError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unreadable(folder.into(), source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(|source| unreadable(folder.into(), source))?.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with("queue-") || name.starts_with("timer-")) else {
            continue;
        };
        let path = format!("{name}/function.json");
        if folder.join(&path).is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

fn unreadable(path: PathBuf, source: io::Error) -> CheckError {
    CheckError::Read { path: path.display().to_string(), source }
}
