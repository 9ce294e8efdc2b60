//! The embedded file that commands work on.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use lamplighter_embedded::{OpenError, Settings, SqliteBackend};

use crate::error::Error;

/// The default file.
const DEFAULT: &str = ".lamplighter/jobs.db";

/// The choice of the embedded file.
#[derive(Debug, Args)]
pub(crate) struct Database {
    /// The file that holds the jobs.
    #[arg(long = "db", value_name = "FILE", env = "LAMPLIGHTER_DB", default_value = DEFAULT, value_parser = file())]
    file: PathBuf,
}

impl Default for Database {
    fn default() -> Self {
        Self::at(Path::new(DEFAULT))
    }
}

/// Reads the file's name from the command line.
pub(crate) fn file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|typed: OsString| named(&typed))
}

/// Returns the file that the user named. `~/` is the user's home, even where no shell has expanded it: in a variable,
/// or after `=`.
///
/// Fails for names with a special meaning to SQLite or a shell.
pub(crate) fn named(typed: &OsStr) -> Result<PathBuf, String> {
    let text = typed.to_string_lossy();
    if text.is_empty() {
        return Err("that is no file's name".into());
    }
    if text == ":memory:" {
        return Err("what is in memory is gone with the command; name a file".into());
    }
    if text.starts_with("file:") {
        return Err("that is a URI; name the file by its path (./file:… for one that is called so)".into());
    }
    at_home(Path::new(typed))
}

/// Returns the path, with `~/` as the home of the user who runs the command.
///
/// Fails if the home is unknown, and for the homes of other users.
pub(crate) fn at_home(path: &Path) -> Result<PathBuf, String> {
    let mut parts = path.components();
    match parts.next().map(|first| first.as_os_str().to_string_lossy().into_owned()) {
        Some(first) if first == "~" => match std::env::home_dir().filter(|home| !home.as_os_str().is_empty()) {
            Some(home) => Ok(home.join(parts.as_path())),
            None => Err("it is not known where your home is; name the file by its whole path".into()),
        },
        Some(first) if first.starts_with('~') => Err(
            "only a shell knows the homes of others; name the file by its whole path (./~… for one that is called so)"
                .into(),
        ),
        _ => Ok(path.to_owned()),
    }
}

impl Database {
    /// The file at this path.
    pub(crate) fn at(path: &Path) -> Self {
        Self { file: path.to_owned() }
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// Returns whether it is the default file.
    pub(crate) fn is_default(&self) -> bool {
        self.file == Path::new(DEFAULT)
    }

    /// Opens the file; creates it and its folder if they do not exist.
    pub(crate) fn open_or_make(&self) -> Result<SqliteBackend, Error> {
        Ok(SqliteBackend::open(&self.file, Settings::default())?)
    }

    /// Opens an existing file for changes.
    pub(crate) fn existing(&self) -> Result<SqliteBackend, Error> {
        self.check()?;
        self.open_or_make()
    }

    /// Opens an existing file for reading, even if it is read-only. Reading never creates a file.
    pub(crate) fn to_look_at(&self) -> Result<SqliteBackend, Error> {
        self.check()?;
        let opened = SqliteBackend::open(&self.file, Settings::default());
        match opened {
            // The reason why it cannot be written is more helpful than the reason why it cannot even be read.
            Err(error @ OpenError::Unusable { .. }) => {
                SqliteBackend::read_only(&self.file, Settings::default()).map_err(|_| error.into())
            }
            opened => Ok(opened?),
        }
    }

    /// Opens an existing file for reading only: nothing that this process does changes it.
    pub(crate) fn read_only(&self) -> Result<SqliteBackend, Error> {
        self.check()?;
        Ok(SqliteBackend::read_only(&self.file, Settings::default())?)
    }

    fn check(&self) -> Result<(), Error> {
        match self.file.try_exists() {
            Ok(true) => Ok(()),
            _ => Err(Error::NoFile(self.file.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PathBuf, String> {
        named(OsStr::new(text))
    }

    #[test]
    fn a_tilde_is_the_home_and_not_a_folder() {
        let home = std::env::home_dir().unwrap();
        assert_eq!(read("~/jobs.db"), Ok(home.join("jobs.db")));
        assert_eq!(read("~"), Ok(home.join("")));
        assert!(read("~ada/jobs.db").unwrap_err().contains("homes of others"));
        for same in ["jobs.db", "./~/jobs.db", "a/~/b", "/tmp/jobs.db", "./file:x"] {
            assert_eq!(read(same), Ok(same.into()));
        }
    }

    #[test]
    fn a_path_that_is_no_file_is_refused_with_a_reason() {
        assert!(read(":memory:").unwrap_err().contains("gone with the command"));
        assert!(read("file:jobs.db?mode=ro").unwrap_err().contains("URI"));
        assert!(read("").unwrap_err().contains("no file's name"));
    }
}
