//! The embedded file that commands work on.

use std::path::{Path, PathBuf};

use clap::Args;
use lamplighter_embedded::{Embedded, Settings};

use crate::error::Error;

/// The file of those who name none.
const DEFAULT: &str = ".lamplighter/jobs.db";

/// Which embedded file.
#[derive(Debug, Args)]
pub(crate) struct Database {
    /// The file that holds the jobs.
    #[arg(long = "db", value_name = "FILE", env = "LAMPLIGHTER_DB", default_value = DEFAULT)]
    file: PathBuf,
}

impl Default for Database {
    fn default() -> Self {
        Self::at(Path::new(DEFAULT))
    }
}

impl Database {
    /// The file at this path.
    pub(crate) fn at(path: &Path) -> Self {
        Self { file: path.to_owned() }
    }

    /// The file's path, as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// Whether it is the file that commands use by themselves.
    pub(crate) fn is_default(&self) -> bool {
        self.file == Path::new(DEFAULT)
    }

    /// Opens the file, and makes it and its folder where they do not exist yet.
    pub(crate) fn open_or_make(&self) -> Result<Embedded, Error> {
        Ok(Embedded::open(&self.file, Settings::default())?)
    }

    /// Opens a file that is there. Looking at jobs never makes one.
    pub(crate) fn existing(&self) -> Result<Embedded, Error> {
        if !self.file.try_exists().unwrap_or(false) {
            return Err(Error::NoFile(self.file.clone()));
        }
        self.open_or_make()
    }
}
