//! Makes a job file readable by its owner only, regardless of the umask.
//!
//! Arguments and outputs may hold secrets. A file, its log and its lock are created with mode 0600, and its folder, if
//! it does not exist, with 0700. An existing file that all users may read or write was created under a usual umask, by
//! an earlier version or by hand: it is set to 0600 when it is opened. A file that is open to a group only was set up
//! so on purpose, and stays so. An existing folder is left unchanged; it may hold other files.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Files are created one at a time. Closing a file ends all locks that this process has on it, so none may be closed
/// here after SQLite has opened it elsewhere.
static MAKING: Mutex<()> = Mutex::new(());

/// Creates a folder and its missing parents.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Creates the file, unless it exists.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match options().create_new(true).open(path) {
        Ok(file) => owner_only(&file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a file that SQLite does not use, and creates it if it does not exist.
pub(crate) fn open_or_make(path: &Path) -> io::Result<File> {
    let file = options().create(true).truncate(false).open(path)?;
    close_to_others(path);
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Restores the owner's permissions, which a umask may also remove.
#[cfg(unix)]
fn owner_only(file: &File) -> io::Result<()> {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn owner_only(_: &File) -> io::Result<()> {
    Ok(())
}

/// The file and SQLite's files beside it.
pub(crate) fn with_logs(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| beside(path, suffix))
}

/// The path of a file beside `path`, with a suffix added to its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes a file that is open to all users readable by its owner only.
#[cfg(unix)]
pub(crate) fn close_to_others(path: &Path) {
    use std::{fs, os::unix::fs::PermissionsExt};
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.permissions().mode() & 0o007 == 0 {
        return;
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        Ok(()) => tracing::info!(file = %path.display(), "was open to all users; now only its owner may read it"),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "open to all users, and only its owner can change that");
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn close_to_others(_: &Path) {}
