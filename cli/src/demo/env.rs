//! The environment of a demo: a folder of its own, with the embedded file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use lamplighter::{Client, Variables};
use lamplighter_objects::OBJECTS;

use crate::error::{Error, reason};

/// The environment of a demo.
#[derive(Debug)]
pub struct DemoEnv {
    folder: PathBuf,
    client: Client,
}

impl DemoEnv {
    pub(crate) fn new(folder: PathBuf, client: Client) -> Self {
        Self { folder, client }
    }

    /// Returns the requested folder, or a new one. It is empty.
    pub(crate) fn folder_for(output: Option<PathBuf>) -> Result<PathBuf, Error> {
        match output {
            Some(folder) => empty(folder),
            None => fresh(Timestamp::now()),
        }
    }

    pub(crate) fn database_in(folder: &Path) -> PathBuf {
        folder.join("jobs.db")
    }

    /// The demo's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The embedded file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.folder)
    }

    /// The folder of the object store.
    #[must_use]
    pub fn objects_folder(&self) -> PathBuf {
        self.folder.join("objects")
    }

    /// The variables of this process, with the object store in [`objects_folder`](Self::objects_folder).
    #[must_use]
    pub fn variables(&self) -> Variables {
        Variables::system().with(OBJECTS, self.objects_folder().to_string_lossy())
    }

    /// The client, to enqueue jobs and to read their records.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Creates a folder named after the time.
fn fresh(now: Timestamp) -> Result<PathBuf, Error> {
    let parent = Path::new("demo-output");
    let make = || -> io::Result<PathBuf> {
        fs::create_dir_all(parent)?;
        // In any repository, a demo's output is not to be committed.
        fs::write(parent.join(".gitignore"), "*\n")?;
        let name = now.strftime("%Y-%m-%d-%H%M%S").to_string();
        let mut number = 1;
        loop {
            let folder = parent.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    };
    make().map_err(|error| cannot_use(parent, &error))
}

/// Returns the requested folder, which must be empty: no existing file is ever overwritten.
fn empty(folder: PathBuf) -> Result<PathBuf, Error> {
    fs::create_dir_all(&folder).map_err(|error| cannot_use(&folder, &error))?;
    let mut content = fs::read_dir(&folder).map_err(|error| cannot_use(&folder, &error))?;
    match content.next() {
        None => Ok(folder),
        Some(_) => Err(Error::Usage(format!(
            "{} is not empty; name a folder that is, or leave out --output",
            folder.display()
        ))),
    }
}

fn cannot_use(folder: &Path, error: &io::Error) -> Error {
    Error::failed(format_args!(
        "cannot use the folder {}: {}; go where you may write, or name one with --output",
        folder.display(),
        reason(error)
    ))
}
