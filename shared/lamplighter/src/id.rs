//! Job ids: the identity and idempotency key of one job.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{env::Env, text::Text};

/// The id of one job, and its idempotency key: enqueueing the same id twice creates one job.
///
/// 1–128 characters of `[A-Za-z0-9._:@-]`. The producer chooses it; by default it is a UUIDv7, so ids sort by the
/// time they were made. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Arc<str>);

/// A text that cannot be a [`JobId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job id is 1 to 128 characters of A-Z a-z 0-9 . _ : @ -, and {0:?} is not")]
pub struct InvalidJobId(String);

impl JobId {
    /// The longest id, in characters.
    pub const MAX_LEN: usize = 128;
    /// The format, for errors that do not show the text.
    pub(crate) const FORM: &str = "a job id: 1 to 128 characters of A-Z a-z 0-9 . _ : @ -";

    /// An id that the producer chose.
    ///
    /// # Errors
    /// When the text is empty, longer than 128 characters, or has a character outside `[A-Za-z0-9._:@-]`.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidJobId> {
        let text = text.as_ref();
        let fits = (1..=Self::MAX_LEN).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b));
        if fits {
            Ok(Self(text.into()))
        } else {
            // The text is untrusted and shown to people: keep it to a line.
            Err(InvalidJobId(text.chars().take(Self::MAX_LEN + 8).collect()))
        }
    }

    /// A new UUIDv7 from the environment's clock and randomness.
    #[must_use]
    pub fn generate(env: &Env) -> Self {
        let millis = u64::try_from(env.now().as_millisecond()).unwrap_or(0);
        let (a, b) = (env.random.next_u64().to_le_bytes(), env.random.next_u64().to_le_bytes());
        let random = [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], b[0], b[1]];
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Self(Arc::from(&*uuid.hyphenated().encode_lower(&mut text)))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({})", self.0)
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for JobId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        Self::new(text)
    }
}

impl TryFrom<&str> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: &str) -> Result<Self, InvalidJobId> {
        Self::new(text)
    }
}

impl TryFrom<String> for JobId {
    type Error = InvalidJobId;

    fn try_from(text: String) -> Result<Self, InvalidJobId> {
        Self::new(text)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        Self::new(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    #[test]
    fn accepts_the_documented_alphabet_and_nothing_else() {
        for good in ["a", "order-42", "digest.daily@2026-11-01T06:00:00Z", &"x".repeat(128)] {
            assert_eq!(JobId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "ü", "a/b", "a\n", "#", &"x".repeat(129)] {
            assert!(JobId::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn generated_ids_are_uuid_v7_and_sort_by_time() {
        let env = Env::seeded(jiff::Timestamp::from_second(1_800_000_000).unwrap(), 7);
        let early = JobId::generate(&env);
        assert_eq!(early.as_str().as_bytes()[14], b'7');
        let late = JobId::generate(&Env::seeded(jiff::Timestamp::from_second(1_800_000_001).unwrap(), 1));
        assert!(early < late);
        assert_ne!(early, JobId::generate(&env));
    }
}
