//! The meaning of a store's error: whether it is about the object, the permissions or the store.

use std::{error::Error as StdError, io, path::Path};

/// What somebody wanted to do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read, look at, list or remove.
    Read,
    Write,
}

/// The meaning of a store's error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// There is no such object.
    Missing,
    /// There can be no such object, and that stays so.
    Unwritable(&'static str),
    /// The store refuses.
    Denied,
    /// The store cannot do it now; and what to say of it, where that is known.
    Unavailable(&'static str),
}

const IN_THE_WAY: &str = "it is a folder, or a part of its name is that of an object, and a folder of files cannot hold \
                          both";
const TOO_LONG: &str = "with the folder or prefix before it, its name is longer than the store takes";

/// What an error of a folder means.
pub(crate) fn of_folder(root: &Path, access: Access, error: &object_store::Error) -> Meaning {
    use io::ErrorKind as Kind;
    let missing = || {
        // The folder itself may be gone, such as a volume that is not mounted: then nothing is known of the object.
        if root.is_dir() { Meaning::Missing } else { Meaning::Unavailable(": the folder is not there") }
    };
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

/// What an error of a bucket, or of memory, means.
pub(crate) fn of_bucket(access: Access, error: &object_store::Error) -> Meaning {
    match error {
        // A missing bucket is no missing object: it can still be made. Where something was to be written, there is no
        // object yet that could be missing.
        object_store::Error::NotFound { source, .. } if access == Access::Read && !says(source, "NoSuchBucket") => {
            Meaning::Missing
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => Meaning::Denied,
        // Amazon S3 API Reference, "Error responses": 400.
        error if says(error, "KeyTooLongError") => match access {
            Access::Read => Meaning::Missing,
            Access::Write => Meaning::Unwritable(TOO_LONG),
        },
        _ => Meaning::Unavailable(""),
    }
}

/// An error of the operating system, in the words of a store.
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
