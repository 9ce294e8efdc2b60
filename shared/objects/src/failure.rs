//! The classification of a store's error: about the object, the permissions or the store.

use std::{error::Error as StdError, io, path::Path};

/// The kind of access to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read, inspect, list or remove.
    Read,
    Write,
}

/// The meaning of a store's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There is no such object.
    Missing,
    /// The object is another version.
    Changed,
    /// No such object can ever exist.
    Unwritable(&'static str),
    /// The store refuses.
    Denied,
    /// The store is unavailable; with a hint, if there is one.
    Unavailable(&'static str),
}

const IN_THE_WAY: &str = "it is a folder, or a part of its name is that of an object, and a folder of files cannot hold \
                          both";
const TOO_LONG: &str = "with the folder or prefix before it, its name is longer than the store allows";

/// The meaning of a folder's error.
pub(crate) fn of_folder(root: &Path, access: Access, error: &object_store::Error) -> Meaning {
    use io::ErrorKind as Kind;
    let missing = || {
        // The folder itself may be gone, such as a volume that is not mounted: then nothing is known of the object.
        if root.is_dir() { Meaning::Missing } else { Meaning::Unavailable(": the folder does not exist") }
    };
    if let object_store::Error::Precondition { .. } = error {
        return Meaning::Changed;
    }
    match (io_kind(error), access) {
        (Some(Kind::PermissionDenied | Kind::ReadOnlyFilesystem), _) => Meaning::Denied,
        (Some(Kind::StorageFull | Kind::QuotaExceeded), _) => Meaning::Unavailable(": there is no space left"),
        (Some(Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory | Kind::InvalidFilename), Access::Read) => {
            missing()
        }
        (Some(Kind::NotADirectory | Kind::IsADirectory | Kind::AlreadyExists), Access::Write) if root.is_dir() => {
            Meaning::Unwritable(IN_THE_WAY)
        }
        (Some(Kind::InvalidFilename), Access::Write) => Meaning::Unwritable(TOO_LONG),
        _ => Meaning::Unavailable(""),
    }
}

/// The meaning of an error of a bucket, or of memory.
pub(crate) fn of_bucket(access: Access, error: &object_store::Error) -> Meaning {
    match error {
        // A missing bucket is not a missing object: it can still be created. On a write, no object can be missing.
        object_store::Error::NotFound { source, .. } if access == Access::Read && !says(source, "NoSuchBucket") => {
            Meaning::Missing
        }
        object_store::Error::Precondition { .. } => Meaning::Changed,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Meaning::Denied,
        // Amazon S3 API Reference, "Error responses": 400.
        error if says(error, "KeyTooLongError") => match access {
            Access::Read => Meaning::Missing,
            Access::Write => Meaning::Unwritable(TOO_LONG),
        },
        _ => Meaning::Unavailable(""),
    }
}

/// An error of the operating system, as a store's error.
pub(crate) fn of_files(error: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "folder", source: error.into() }
}

fn says(error: &impl ToString, code: &str) -> bool {
    error.to_string().contains(code)
}

/// The kind of the operating system's error behind an error.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
