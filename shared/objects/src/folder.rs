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
    let written = tokio::task::spawn_blocking(move || {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut made = folder;
        while !made.try_exists()? {
            made = made.parent().ok_or(io::ErrorKind::NotFound)?;
        }
        make(folder)?;
        let (mut file, staged) = stage(&path)?;
        let put = file.write_all(&bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&staged, &path));
        if let Err(error) = put {
            // A file that cannot be removed is not an object: listings skip it.
            let _ = fs::remove_file(&staged);
            return Err(error);
        }
        folder.ancestors().take_while(|folder| folder.starts_with(made)).try_for_each(sync)
    });
    written.await.map_err(io::Error::other)?
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
