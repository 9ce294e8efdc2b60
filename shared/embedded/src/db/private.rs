//! Keeps what is in a file of jobs from everybody but its owner, whatever the umask.
//!
//! Arguments and outputs may hold anything. A file, its log and its lock are made with mode 0600, a folder that is made
//! for it with 0700. A file that is there already and that all users may read or write was made under a usual umask, by
//! an earlier version or by hand: it is set to 0600 when it is opened. One that is open to a group alone stays so:
//! somebody has chosen that. A folder that is there already is left as it is; other things may lie in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Files are made one after the other. Closing a file ends all locks that this process has on it, so none may be closed
/// here after SQLite has opened it elsewhere.
static MAKING: Mutex<()> = Mutex::new(());

/// Makes a folder and what is missing above it.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Makes the file, unless it is there.
pub(crate) fn make_file(path: &Path) -> io::Result<()> {
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    match options().create_new(true).open(path) {
        Ok(file) => owner_only(&file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a file that SQLite knows nothing of, and makes it where it is not there.
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

/// A umask may also take from the owner.
#[cfg(unix)]
fn owner_only(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn owner_only(_: &File) -> io::Result<()> {
    Ok(())
}

/// The file and what SQLite keeps beside it.
pub(crate) fn with_logs(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| beside(path, suffix))
}

/// The name of what lies beside a file, under the same name with something added.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Takes a file that is open to all away from everybody but its owner.
#[cfg(unix)]
pub(crate) fn close_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(path) else { return };
    if metadata.permissions().mode() & 0o007 == 0 {
        return;
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        Ok(()) => tracing::info!(file = %path.display(), "was open to all users; now only its owner may read it"),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "is open to all users, and only its owner can change that");
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn close_to_others(_: &Path) {}
