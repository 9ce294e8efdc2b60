//! Keys: the names of objects.

use std::{fmt, str::FromStr};

use object_store::path::Path;

/// The name of an object: parts separated by `/`, such as `photos/harbour.jpg`.
///
/// 1–1024 bytes, S3's limit. Names that a folder could not hold, or that could lead out of it, are refused on every
/// store, so that a key that works on one works on all: empty parts, `.` and `..`, control characters, backslashes,
/// parts above 200 bytes, and parts that end in `#` and digits, which a folder uses for files that are being written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Path);

/// A text that cannot be a [`Key`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key:?} cannot name an object: {reason}")]
pub struct InvalidKey {
    key: String,
    reason: &'static str,
}

impl Key {
    /// The longest key in bytes (Amazon S3 User Guide, "Naming Amazon S3 objects").
    pub const MAX_LEN: usize = 1024;
    /// The longest part in bytes: file systems stop at 255, and a file being written has a longer name.
    pub const MAX_PART: usize = 200;

    /// Parses a key.
    ///
    /// # Errors
    /// [`InvalidKey`], with the reason.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidKey> {
        let text = text.as_ref();
        // The text is untrusted and shown to people: keep it to a line.
        let invalid = |reason| InvalidKey { key: text.chars().take(120).collect(), reason };
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(invalid("a key has 1 to 1024 bytes"));
        }
        for part in text.split('/') {
            if let Some(reason) = problem(part) {
                return Err(invalid(reason));
            }
        }
        Path::parse(text).map(Self).map_err(|_| invalid("the object store does not accept it"))
    }

    /// This key with a further part: `photos/harbour.jpg` and `320.jpg` make `photos/harbour.jpg/320.jpg`.
    ///
    /// # Errors
    /// [`InvalidKey`] when the result is not a key.
    pub fn join(&self, rest: impl AsRef<str>) -> Result<Self, InvalidKey> {
        Self::new(format!("{self}/{}", rest.as_ref()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    /// The key below a prefix, as a path of the object store.
    pub(crate) fn below(&self, prefix: &Path) -> Path {
        prefix.parts().chain(self.0.parts()).collect()
    }

    /// The key of a path below a prefix, if it is one.
    pub(crate) fn of_path(path: &Path, prefix: &Path) -> Option<Self> {
        let parts: Path = path.prefix_match(prefix)?.collect();
        Self::new(parts).ok()
    }
}

fn problem(part: &str) -> Option<&'static str> {
    let unfinished = |part: &str| {
        part.rsplit_once('#').is_some_and(|(_, end)| !end.is_empty() && end.bytes().all(|b| b.is_ascii_digit()))
    };
    match part {
        "" => Some("no part between slashes may be empty, and it neither begins nor ends with a slash"),
        "." | ".." => Some("its parts may be neither . nor .."),
        part if part.len() > Key::MAX_PART => Some("a part between slashes has at most 200 bytes"),
        part if part.chars().any(|c| c.is_control() || c == '\\') => {
            Some("it may have neither control characters nor backslashes")
        }
        part if unfinished(part) => Some("no part may end in # and digits"),
        _ => None,
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Key {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_unusual_names_are_keys() {
        for good in ["a", "photos/harbour.jpg", "a b+c&d%20ü (1).png", "...", "a..b/.hidden", "a#b", "#", "日本/語"]
        {
            assert_eq!(Key::new(good).unwrap().as_str(), good);
        }
        assert_eq!(Key::new("a/b").unwrap().join("c/d").unwrap().as_str(), "a/b/c/d");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for bad in [
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../../b",
            "a/./b",
            "a\\b",
            "a\0b",
            "a\nb",
            "a#12",
            "a#1/b",
            &"x".repeat(201),
            &"x/".repeat(513),
        ] {
            assert!(Key::new(bad).is_err(), "{bad:?}");
        }
        assert!(Key::new("a").unwrap().join("../b").is_err());
    }
}
