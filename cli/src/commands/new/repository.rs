//! The workspace of an app, and its files.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::error::{Error, reason};

/// The definitions' crate.
pub(super) const JOBS: &str = "shared/jobs/src/lib.rs";
/// The queues.
pub(super) const QUEUES: &str = "shared/jobs/src/queues.rs";
/// The app: the list of functions.
pub(super) const APP: &str = "app/src/lib.rs";
/// The workspace's manifest.
pub(super) const MANIFEST: &str = "Cargo.toml";
/// The app's manifest.
pub(super) const APP_MANIFEST: &str = "app/Cargo.toml";
/// The lock file.
pub(super) const LOCK: &str = "Cargo.lock";

/// The manifest of the definitions' crate.
pub(super) const JOBS_MANIFEST: &str = "shared/jobs/Cargo.toml";

/// A workspace with a Lamplighter app.
#[derive(Debug)]
pub(in crate::commands) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The workspace around the current folder.
    pub(super) fn find() -> Result<Self, Error> {
        let here = env::current_dir()
            .map_err(|error| Error::failed(format_args!("cannot read the current folder: {}", reason(&error))))?;
        Self::around(&here).ok_or_else(|| {
            Error::Usage(format!(
                "{} is not in the workspace of a Lamplighter app, which has {JOBS} and {APP} beside its Cargo.toml; change \
                 into one, or make one with `lamp init`",
                here.display()
            ))
        })
    }

    /// A workspace in this folder, which may not exist yet.
    pub(in crate::commands) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn around(folder: &Path) -> Option<Self> {
        let is_root = |folder: &&Path| [MANIFEST, JOBS, APP].iter().all(|file| folder.join(file).is_file());
        folder.ancestors().find(is_root).map(|root| Self { root: root.to_owned() })
    }

    /// Its folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A file's text; `None` without such a file.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.root.join(path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// The text of a required file.
    pub(super) fn needed(&self, path: &str) -> Result<String, Error> {
        self.text(path)?.ok_or_else(|| Error::failed(format_args!("{path} is missing; restore it")))
    }

    /// The names of the folders in a folder, in order.
    pub(super) fn folders(&self, path: &str) -> Result<Vec<String>, Error> {
        self.names(path, |entry| entry.is_dir())
    }

    /// All Rust files below a folder, in order.
    pub(super) fn rust_files(&self, path: &str) -> Result<Vec<String>, Error> {
        let mut files: Vec<_> =
            self.names(path, |entry| entry.is_file())?.iter().map(|name| format!("{path}/{name}")).collect();
        files.retain(|file| file.ends_with(".rs"));
        for folder in self.folders(path)? {
            files.extend(self.rust_files(&format!("{path}/{folder}"))?);
        }
        Ok(files)
    }

    fn names(&self, path: &str, fits: impl Fn(&Path) -> bool) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(self.root.join(path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(path, &error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            if fits(&entry.path()) {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn unreadable(path: &str, error: &io::Error) -> Error {
    Error::failed(format_args!("cannot read {path}: {}; check its permissions", reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_from_inside_and_not_from_outside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("shop");
        for path in [MANIFEST, JOBS, APP] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        for inside in [&root, &root.join("app"), &root.join("shared/jobs/src")] {
            assert_eq!(Repository::around(inside).unwrap().root(), root);
        }
        assert!(Repository::around(folder.path()).is_none());
    }
}
