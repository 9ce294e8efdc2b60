//! The location of objects, by URL.

use std::{fmt, path::PathBuf, str::FromStr};

use object_store::path::Path;
use url::Url;

use crate::key::Key;

/// The variable with the location of the functions' objects.
pub const OBJECTS: &str = "LAMPLIGHTER_OBJECTS";

/// The location of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In an S3 bucket, below a prefix that may be empty.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// The prefix of all keys.
        prefix: Path,
    },
    /// In memory, for the life of the process.
    Memory,
}

/// A text that is not a location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The location is not set.
    #[error("{OBJECTS} does not say where objects are: set it to s3://bucket/prefix, or to a folder")]
    Unset,
    /// Not one of the known forms.
    #[error("{location:?} is not a location for objects: {reason}")]
    Invalid {
        /// The text.
        location: String,
        /// The problem.
        reason: &'static str,
    },
}

impl FromStr for Location {
    type Err = LocationError;

    /// Parses `s3://bucket/prefix`, `file:///folder`, `memory:///`, or the path of a folder.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        let text = text.trim();
        let invalid = |reason| LocationError::Invalid { location: text.into(), reason };
        let Some((scheme, _)) = text.split_once("://") else {
            if text.is_empty() {
                return Err(LocationError::Unset);
            }
            // Made absolute now: a later change of the working folder must not move the objects.
            return std::path::absolute(text).map(Self::Folder).map_err(|_| invalid("it is not a path"));
        };
        let url = Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it has more than a scheme, a host and a path"));
        }
        match scheme {
            "memory" => Ok(Self::Memory),
            "file" => url.to_file_path().map(Self::Folder).map_err(|()| invalid("write file:///folder")),
            "s3" => {
                let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| invalid("name a bucket"))?;
                let prefix = url.path().trim_matches('/');
                let prefix = if prefix.is_empty() {
                    Path::default()
                } else {
                    let key = Key::new(prefix).map_err(|_| invalid("its prefix is not valid in keys"))?;
                    key.below(&Path::default())
                };
                Ok(Self::Bucket { bucket: bucket.into(), prefix })
            }
            _ => Err(invalid("it must begin with s3://, file:// or memory://, or be the path of a folder")),
        }
    }
}

impl Location {
    /// The location of one object, for people: the path of a file, or a URL.
    #[must_use]
    pub fn of(&self, key: &Key) -> String {
        match self {
            Self::Folder(folder) => folder.join(key.as_str()).display().to_string(),
            Self::Bucket { .. } => format!("{self}/{key}"),
            Self::Memory => format!("{self}{key}"),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket { bucket, prefix } if prefix.is_root() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Self::Memory => f.write_str("memory:///"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Location, LocationError> {
        text.parse()
    }

    #[test]
    fn every_form_round_trips() {
        for (text, written, of_key) in [
            ("s3://bucket", "s3://bucket", "s3://bucket/a/b"),
            ("s3://bucket/", "s3://bucket", "s3://bucket/a/b"),
            (" s3://bucket/some/prefix/ ", "s3://bucket/some/prefix", "s3://bucket/some/prefix/a/b"),
            ("file:///var/objects", "/var/objects", "/var/objects/a/b"),
            ("/var/objects", "/var/objects", "/var/objects/a/b"),
            ("memory:///", "memory:///", "memory:///a/b"),
        ] {
            let location = read(text).unwrap();
            assert_eq!(location.to_string(), written);
            assert_eq!(location.of(&Key::new("a/b").unwrap()), of_key);
        }
        let Location::Folder(folder) = read("some/folder").unwrap() else { panic!() };
        assert!(folder.is_absolute() && folder.ends_with("some/folder"));
    }

    #[test]
    fn other_forms_are_refused() {
        assert_eq!(read(" "), Err(LocationError::Unset));
        for bad in [
            "gs://bucket",
            "s3://",
            "s3:///prefix",
            "s3://user:secret@bucket",
            "s3://bucket?x=1",
            "s3://b/a//c",
            "https://x",
        ] {
            assert!(matches!(read(bad), Err(LocationError::Invalid { .. })), "{bad}: {:?}", read(bad));
        }
    }
}
