//! Writes objects into a folder, readable by its owner only.
//!
//! `object_store` reads, lists and deletes there, but creates files and folders with the modes of the umask. Here a
//! file is created with mode 0600 and a folder with 0700, from the first moment on. An existing folder keeps its mode.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// Creates a folder and its missing parents.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file as a whole, and replaces an existing one. It survives a loss of power once this has returned.
pub(crate) async fn write(path: PathBuf, bytes: Bytes) -> io::Result<()> {
    blocking(move || {
        let mut staged = Staged::create(path)?;
        staged.append(&bytes)?;
        staged.commit()
    })
    .await
}

/// Runs work on files on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A file that is being written beside the object's. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    /// Its name for now; `None` once it has the object's.
    name: Option<PathBuf>,
    path: PathBuf,
    /// The first folder above that existed before.
    made: PathBuf,
}

impl Staged {
    /// Begins to write the file of an object, and creates its folder.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut made = folder;
        while !made.try_exists()? {
            made = made.parent().ok_or(io::ErrorKind::NotFound)?;
        }
        let made = made.to_owned();
        make(folder)?;
        let (file, name) = stage(&path)?;
        Ok(Self { file, name: Some(name), path, made })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes it the object's file. It survives a loss of power once this has returned.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        if let Some(name) = &self.name {
            fs::rename(name, &self.path)?;
        }
        self.name = None;
        let mut folders = self.path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.made));
        folders.try_for_each(sync)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // A file that cannot be removed is not an object: listings skip it.
            let _ = fs::remove_file(name);
        }
    }
}

/// A new file beside the object's, under a name that `object_store` does not treat as an object.
fn stage(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut number = 1_u32;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        match options.open(&name) {
            Ok(file) => return Ok((file, name.into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// A name is durable once its folder is.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
