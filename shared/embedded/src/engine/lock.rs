//! At most one engine per file.
//!
//! Messages in flight are known only in the memory of their engine; a second engine would hand them out again. The lock
//! belongs to the file rather than to one of its names, is held by the operating system, and ends with the process in
//! any case. It has two parts:
//!
//! - A locked file beside the job file (beside the target of a symbolic link). It names the process that holds it, and
//!   also keeps out engines in other containers. If it is removed, the engine creates it again.
//! - On Linux, an abstract socket that is named after the file's device and inode: it has no name in a folder, cannot
//!   be removed, and is the same for all hard links. Containers with networks of their own do not see each other's
//!   sockets.
//!
//! The job file itself cannot be locked: closing any descriptor of it would end SQLite's locks.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use super::failure::EngineError;
use crate::{
    backend::SqliteBackend,
    db::{
        connection::Location,
        identity::FileId,
        private::{beside, open_or_make},
    },
    health::EngineSeen,
};

/// Why this engine may not run.
#[derive(Debug)]
pub(crate) enum Refused {
    Held { by: String },
    Io { path: PathBuf, source: io::Error },
}

/// The right to run an engine on a file, until it is dropped.
#[derive(Debug)]
pub(crate) struct EngineLock {
    embedded: SqliteBackend,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    /// Locked as long as it is open.
    file: Mutex<File>,
    #[cfg(target_os = "linux")]
    _socket: Option<std::os::unix::net::UnixListener>,
}

impl EngineLock {
    pub(crate) fn take(embedded: &SqliteBackend) -> Result<Self, Refused> {
        if embedded.0.engine.swap(true, Ordering::AcqRel) {
            return Err(Refused::Held { by: "this process".into() });
        }
        let mut lock = Self { embedded: embedded.clone(), held: None };
        if let Location::File { absolute, .. } = &embedded.0.location {
            lock.held = Some(Held::take(absolute)?);
        }
        Ok(lock)
    }

    /// The lock file; `None` in memory.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.held.as_ref().map(|held| &*held.path)
    }

    /// Checks that the lock file exists and is the one that is locked; creates it again if it was removed.
    pub(crate) fn keep(&self) -> Result<(), EngineError> {
        self.held.as_ref().map_or(Ok(()), Held::keep)
    }
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        self.embedded.0.engine.store(false, Ordering::Release);
    }
}

impl Held {
    fn take(jobs: &Path) -> Result<Self, Refused> {
        let io = |source| Refused::Io { path: jobs.to_owned(), source };
        let real = fs::canonicalize(jobs).map_err(io)?;
        let path = beside(&real, ".engine");
        #[cfg(target_os = "linux")]
        let _socket = socket(FileId::of(&fs::metadata(&real).map_err(io)?), &path)?;
        let file = Mutex::new(lock_file(&path)?);
        Ok(Self {
            path,
            file,
            #[cfg(target_os = "linux")]
            _socket,
        })
    }

    fn keep(&self) -> Result<(), EngineError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if is_at(&file, &self.path) {
            return Ok(());
        }
        match lock_file(&self.path) {
            Ok(new) => {
                tracing::warn!(lock = %self.path.display(), "the engine's lock was removed, and is created again");
                *file = new;
                Ok(())
            }
            Err(Refused::Held { .. }) => Err(EngineError::Lock { lock: self.path.clone() }),
            Err(Refused::Io { source, .. }) => {
                tracing::debug!(lock = %self.path.display(), error = %source, "the engine's lock cannot be created again");
                Ok(())
            }
        }
    }
}

/// Takes the lock that belongs to the file itself. `None` where there are no abstract sockets.
#[cfg(target_os = "linux")]
fn socket(id: FileId, lock: &Path) -> Result<Option<std::os::unix::net::UnixListener>, Refused> {
    use std::os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    };
    match SocketAddr::from_abstract_name(socket_name(id)).and_then(|address| UnixListener::bind_addr(&address)) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Refused::Held { by: holder(lock) }),
        Err(error) => {
            tracing::debug!(%error, "cannot bind an abstract socket; the engine's lock is only a file");
            Ok(None)
        }
    }
}

/// The holder of the lock, for people: "another process" if its number is not known.
fn holder(lock: &Path) -> String {
    let mut by = String::new();
    let read = File::open(lock).and_then(|file| file.take(64).read_to_string(&mut by));
    match by.trim() {
        number if read.is_ok() && !number.is_empty() => format!("process {number}"),
        _ => "another process".into(),
    }
}

/// Whether an engine in another process has the lock of this file. It is not tried, which could keep out an engine that
/// starts at that moment.
#[cfg(target_os = "linux")]
pub(crate) fn seen(jobs: &Path) -> EngineSeen {
    let found = fs::canonicalize(jobs).and_then(|real| {
        let name = format!("@{}", socket_name(FileId::of(&fs::metadata(&real)?)));
        let sockets = fs::read_to_string("/proc/net/unix")?;
        Ok(sockets.lines().any(|line| line.ends_with(&name)).then(|| holder(&beside(&real, ".engine"))))
    });
    match found {
        Ok(Some(by)) => EngineSeen::Elsewhere { by },
        Ok(None) => EngineSeen::Nowhere,
        Err(_) => EngineSeen::Unknown,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn seen(_: &Path) -> EngineSeen {
    EngineSeen::Unknown
}

#[cfg(target_os = "linux")]
fn socket_name(id: FileId) -> String {
    format!("lamplighter.engine.{}", id.name())
}

fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| FileId::of(&metadata)).ok();
    id(file.metadata()) == id(fs::metadata(path))
}

fn lock_file(path: &Path) -> Result<File, Refused> {
    let io = |source| Refused::Io { path: path.to_owned(), source };
    loop {
        let mut file = open_or_make(path).map_err(io)?;
        match file.try_lock() {
            // It was removed meanwhile: another engine may lock the next one.
            Ok(()) if !is_at(&file, path) => continue,
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Held { by: holder(path) }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let wrote = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        // The number is only for people: a full disk does not stop the start.
        if let Err(error) = wrote {
            tracing::debug!(lock = %path.display(), %error, "the number of this process could not be written");
        }
        return Ok(file);
    }
}
