//! What people write down about an error group.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A note of a person about an [`ErrorGroup`](super::ErrorGroup): what is known of the error, and until when nobody wants to
/// hear of it. A group has one note, and is listed whether or not it is muted. The note goes with its group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorNote {
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The group is muted until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// Who wrote it.
    pub by: String,
    /// When it was written.
    pub at: Timestamp,
}

impl ErrorNote {
    /// The longest text, and the longest name, in characters: the rest is cut. An operation refuses a longer text.
    pub const MAX_CHARS: usize = 2000;

    /// A note by a person, without a text, and without a mute.
    #[must_use]
    pub fn new(by: impl Into<String>, at: Timestamp) -> Self {
        Self { note: None, muted_until: None, by: by.into(), at }
    }

    /// With a text; an empty one is none.
    #[must_use]
    pub fn with_note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }

    /// With a mute until that moment.
    #[must_use]
    pub fn with_mute(mut self, moment: Timestamp) -> Self {
        self.muted_until = Some(moment);
        self
    }

    /// Whether the group is muted at that moment.
    #[must_use]
    pub fn is_muted(&self, now: Timestamp) -> bool {
        self.muted_until.is_some_and(|until| until > now)
    }

    /// Whether it says nothing: a group with such a note has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.note.is_none() && self.muted_until.is_none()
    }

    /// As stores keep it: without what is around the texts, and cut to [`MAX_CHARS`](Self::MAX_CHARS).
    #[must_use]
    pub fn bounded(self) -> Self {
        let cut = |text: &str| text.trim().chars().take(Self::MAX_CHARS).collect::<String>();
        let note = self.note.map(|text| cut(&text)).filter(|text| !text.is_empty());
        Self { note, by: cut(&self.by), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_an_empty_one_is_none() {
        let at = Timestamp::UNIX_EPOCH;
        let long = ErrorNote::new(" ada ", at).with_note(format!("  {}", "ü".repeat(3000))).bounded();
        assert_eq!(long.note.unwrap().chars().count(), ErrorNote::MAX_CHARS);
        assert_eq!(long.by, "ada");
        assert!(ErrorNote::new("ada", at).with_note(" \n").bounded().is_empty());
    }

    #[test]
    fn a_mute_ends() {
        let (at, until) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let note = ErrorNote::new("ada", at).with_mute(until);
        assert!(note.is_muted(at) && !note.is_muted(until) && !note.is_empty());
        assert!(!ErrorNote::new("ada", at).is_muted(at));
        let json = serde_json::to_string(&note).unwrap();
        assert_eq!(json, r#"{"muted_until":"1970-01-01T00:01:00Z","by":"ada","at":"1970-01-01T00:00:00Z"}"#);
        assert_eq!(serde_json::from_str::<ErrorNote>(&json).unwrap(), note);
    }
}
