//! Tags of a job.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The tags of a job: at most [`MAX`](Self::MAX) texts by which people find it. They are in its record, and shown to
/// everybody who sees that: nothing secret belongs there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(
    // Most messages have none.
    Option<Box<[Box<str>]>>,
);

/// Why texts cannot be the tags of a job. The texts are not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job has at most 10 tags, each 1 to 64 characters of A-Z a-z 0-9 . _ : @ -")]
pub struct InvalidTags;

impl Tags {
    /// The most tags of a job.
    pub const MAX: usize = 10;
    /// The longest tag, in characters.
    pub const MAX_LEN: usize = 64;

    /// These tags, each once.
    ///
    /// # Errors
    /// When there are more than ten, or one is not 1–64 characters of `[A-Za-z0-9._:@-]`.
    pub fn new<T: AsRef<str>>(tags: impl IntoIterator<Item = T>) -> Result<Self, InvalidTags> {
        let mut known: Vec<Box<str>> = Vec::new();
        for tag in tags {
            let tag = tag.as_ref();
            if !is_tag(tag) {
                return Err(InvalidTags);
            }
            if known.iter().any(|known| **known == *tag) {
                continue;
            }
            if known.len() == Self::MAX {
                return Err(InvalidTags);
            }
            known.push(tag.into());
        }
        Ok(Self((!known.is_empty()).then(|| known.into())))
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The tags, as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().map(|tag| &**tag)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        self.iter().any(|own| own == tag)
    }
}

fn is_tag(text: &str) -> bool {
    (1..=Tags::MAX_LEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte))
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tags = Vec::<String>::deserialize(deserializer)?;
        let form = "at most 10 tags, each 1 to 64 characters of A-Z a-z 0-9 . _ : @ -";
        Self::new(tags).map_err(|_| de::Error::invalid_value(de::Unexpected::Other("others"), &form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_few_short_and_of_safe_characters() {
        let tags = Tags::new(["blue", "customer:42", "blue"]).unwrap();
        assert_eq!(tags.iter().collect::<Vec<_>>(), ["blue", "customer:42"]);
        assert!(tags.contains("blue") && !tags.contains("blu") && !tags.is_empty());
        assert!(Tags::new(Vec::<String>::new()).unwrap().is_empty());
        assert!(Tags::new((0..10).map(|n| n.to_string())).is_ok());
        assert_eq!(Tags::new((0..11).map(|n| n.to_string())), Err(InvalidTags));
        for bad in ["", " ", "a b", "ü", "a,b", "\"", &"x".repeat(65)] {
            assert_eq!(Tags::new([bad]), Err(InvalidTags), "{bad:?}");
        }
        assert!(Tags::new(["x".repeat(64)]).is_ok());
    }

    /// A job's message is in memory many times, and mostly has no tags.
    #[test]
    fn no_tags_take_two_words() {
        assert_eq!(size_of::<Tags>(), 2 * size_of::<usize>());
    }
}
