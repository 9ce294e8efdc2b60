//! Removing values from texts.

use std::{borrow::Cow, collections::BTreeSet, ops::Range};

use serde_json::{Value, value::RawValue};

use super::hidden;
use crate::{error::ErrorText, sensitive::PLACEHOLDER};

/// Removes the sensitive values of one job's arguments from texts. Made by
/// [`Redaction::redactor`](super::Redaction::redactor).
///
/// A string is found as it is, as JSON and Rust's `Debug` write it, percent-encoded as in a URL, and as its sender wrote
/// it; of one that has several lines, each line. A number is found as it was written, where no digit stands beside it. A
/// value of less than [four characters](Self::MIN_CHARS) is found as a whole word only, or no text would be readable.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    patterns: Vec<Pattern>,
    /// Found while values were added: each pattern once.
    known: BTreeSet<Pattern>,
    /// There are too many values to look for.
    all: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    text: String,
    beside: Beside,
}

/// What may stand beside a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Beside {
    Anything,
    NoDigit,
    NoAlphanumeric,
}

impl Redactor {
    /// A shorter value is found as a whole word only.
    pub const MIN_CHARS: usize = 4;
    /// The most patterns that are looked for. With more, a text is hidden as a whole.
    const MAX_PATTERNS: usize = 1000;
    /// The most bytes to look at, the text times the patterns: less than a tenth of a second. A longer text is hidden as a
    /// whole.
    const MAX_WORK: usize = 1 << 26;
    /// A line of a longer text.
    const MIN_LINE: usize = 8;

    /// Adds a string, and how it is written in JSON, quotes included.
    pub(super) fn add_string(&mut self, value: &str, source: &str) {
        let value = value.trim();
        if value.is_empty() {
            return;
        }
        if value.chars().count() < Self::MIN_CHARS {
            return self.add(value, Beside::NoAlphanumeric);
        }
        self.add(value, Beside::Anything);
        self.add(unquoted(source).trim(), Beside::Anything);
        self.add(unquoted(&serde_json::to_string(value).unwrap_or_default()), Beside::Anything);
        self.add(unquoted(&format!("{value:?}")), Beside::Anything);
        self.add(&percent_encoded(value), Beside::Anything);
        if value.contains('\n') {
            for line in value.lines().map(str::trim).filter(|line| line.len() >= Self::MIN_LINE) {
                self.add(line, Beside::Anything);
            }
        }
    }

    /// Adds a number as it is written in JSON.
    pub(super) fn add_number(&mut self, source: &str) {
        self.add(source, if source.len() < Self::MIN_CHARS { Beside::NoAlphanumeric } else { Beside::NoDigit });
    }

    fn add(&mut self, text: &str, beside: Beside) {
        if !text.is_empty() && !self.all {
            self.known.insert(Pattern { text: text.to_owned(), beside });
            self.all = self.known.len() > Self::MAX_PATTERNS;
        }
    }

    /// What is looked for cannot be known: nothing is shown.
    pub(super) fn give_up(&mut self) {
        self.all = true;
    }

    pub(super) fn ready(mut self) -> Self {
        self.patterns = std::mem::take(&mut self.known).into_iter().collect();
        self
    }

    /// The text with `[redacted]` in place of each value that is found in it.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.all || self.patterns.len().saturating_mul(text.len()) > Self::MAX_WORK {
            return PLACEHOLDER.to_owned().into();
        }
        let mut found: Vec<Range<usize>> = self.patterns.iter().flat_map(|pattern| pattern.find(text)).collect();
        if found.is_empty() {
            return text.into();
        }
        found.sort_unstable_by_key(|range| range.start);
        // Values that overlap or stand side by side become one placeholder.
        found.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        let mut shown = String::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            shown.push_str(&text[end..range.start]);
            shown.push_str(PLACEHOLDER);
            end = range.end;
        }
        shown.push_str(&text[end..]);
        shown.into()
    }

    /// An error, its causes included.
    #[must_use]
    pub fn error(&self, error: &ErrorText) -> ErrorText {
        let chain = error.chain.iter().map(|cause| self.text(cause).into_owned()).collect();
        ErrorText { message: self.text(&error.message).into_owned(), chain }
    }

    /// JSON with its strings and numbers cleaned. It is hidden as a whole where that cannot be done.
    #[must_use]
    pub fn json(&self, json: &RawValue) -> Box<RawValue> {
        if !self.all && self.text(json.get()) == json.get() {
            return json.to_owned();
        }
        let clean = serde_json::from_str(json.get()).ok().and_then(|mut value| {
            self.clean(&mut value);
            serde_json::value::to_raw_value(&value).ok()
        });
        clean.filter(|_| !self.all).unwrap_or_else(hidden)
    }

    fn clean(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Number(number) => {
                if matches!(self.text(&number.to_string()), Cow::Owned(_)) {
                    *value = PLACEHOLDER.into();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item)),
            Value::Object(fields) => {
                let taken = std::mem::take(fields);
                *fields = taken
                    .into_iter()
                    .map(|(name, mut value)| {
                        self.clean(&mut value);
                        (self.text(&name).into_owned(), value)
                    })
                    .collect();
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

impl Pattern {
    fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        let all = text.match_indices(&self.text).map(|(start, found)| start..start + found.len());
        all.filter(move |range| {
            let (before, after) = (text[..range.start].chars().next_back(), text[range.end..].chars().next());
            let free = |beside: Option<char>| match self.beside {
                Beside::Anything => true,
                Beside::NoDigit => !beside.is_some_and(|c| c.is_ascii_digit()),
                Beside::NoAlphanumeric => !beside.is_some_and(char::is_alphanumeric),
            };
            free(before) && free(after)
        })
    }
}

/// The text between the quotes of a JSON string.
fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json)
}

/// As in a URL (RFC 3986, 2.1): all but unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
