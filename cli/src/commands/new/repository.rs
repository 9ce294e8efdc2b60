//! The repository: where it begins, and what its files say.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use crate::error::{Error, reason};

/// The definitions' crate.
pub(super) const JOBS: &str = "shared/jobs/src/lib.rs";
/// The queues.
pub(super) const QUEUES: &str = "shared/jobs/src/queues.rs";
/// The app.
pub(super) const APP: &str = "app/src/lib.rs";
/// The workspace's manifest.
pub(super) const MANIFEST: &str = "Cargo.toml";
/// The app's manifest.
pub(super) const APP_MANIFEST: &str = "app/Cargo.toml";
/// The lock file.
pub(super) const LOCK: &str = "Cargo.lock";

/// A Lamplighter repository.
#[derive(Debug)]
pub(super) struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository that the current folder lies in.
    pub(super) fn find() -> Result<Self, Error> {
        let here = env::current_dir()
            .map_err(|error| Error::failed(format_args!("cannot tell the current folder: {}", reason(&error))))?;
        Self::around(&here).ok_or_else(|| {
            Error::Usage(format!(
                "{} is not in a Lamplighter repository, which has {JOBS} and {APP} below its Cargo.toml; change \
                 into one",
                here.display()
            ))
        })
    }

    pub(super) fn around(folder: &Path) -> Option<Self> {
        let is_root = |folder: &&Path| [MANIFEST, JOBS, APP].iter().all(|file| folder.join(file).is_file());
        folder.ancestors().find(is_root).map(|root| Self { root: root.to_owned() })
    }

    /// Where it begins.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A file's text, where there is such a file.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>, Error> {
        match fs::read_to_string(self.root.join(path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// The text of a file that must be there.
    pub(super) fn needed(&self, path: &str) -> Result<String, Error> {
        self.text(path)?.ok_or_else(|| Error::failed(format_args!("there is no {path}; bring it back")))
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
    fn it_is_found_from_any_folder_inside_and_from_none_outside() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.parent().unwrap();
        for inside in [own, root, &root.join("shared/jobs/src")] {
            assert_eq!(Repository::around(inside).unwrap().root(), root);
        }
        assert!(Repository::around(root.parent().unwrap()).is_none());
        assert!(Repository::around(tempfile::tempdir().unwrap().path()).is_none());
    }
}
