//! One engine a file.
//!
//! What is in flight is known in the memory of one engine; a second one would hand out the same messages. The lock lies
//! on a file beside the jobs', is held by the operating system, and ends with the process however that ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use crate::{embedded::Embedded, file::connection::Location};

/// Why this engine may not run.
#[derive(Debug)]
pub(crate) enum Refused {
    Held { by: String },
    Io { path: PathBuf, source: io::Error },
}

/// The right to run an engine on a file. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct EngineLock {
    embedded: Embedded,
    /// Locked as long as it is open.
    _file: Option<File>,
}

impl EngineLock {
    pub(crate) fn take(embedded: &Embedded) -> Result<Self, Refused> {
        if embedded.0.engine.swap(true, Ordering::AcqRel) {
            return Err(Refused::Held { by: "this very process".into() });
        }
        let mut lock = Self { embedded: embedded.clone(), _file: None };
        if let Location::File(path) = &embedded.0.location {
            lock._file = Some(lock_file(&beside(path))?);
        }
        Ok(lock)
    }
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        self.embedded.0.engine.store(false, Ordering::Release);
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".engine");
    name.into()
}

fn lock_file(path: &Path) -> Result<File, Refused> {
    let io = |source| Refused::Io { path: path.to_owned(), source };
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut by = String::new();
            // It is for people only; a holder that has not written it yet is one without a number.
            let _ = file.take(64).read_to_string(&mut by);
            let by = if by.trim().is_empty() { "another process".into() } else { format!("process {}", by.trim()) };
            return Err(Refused::Held { by });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id())).map_err(io)?;
    Ok(file)
}
