//! The characters that SQS accepts: `#x9 | #xA | #xD | #x20–#xD7FF | #xE000–#xFFFD | #x10000–#x10FFFF` (Amazon SQS API
//! Reference, SendMessage). It refuses a message with any other.

use std::{borrow::Cow, fmt::Write};

fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// Replaces characters that SQS refuses with `U+FFFD`.
pub(super) fn legal(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_legal) {
        return text.into();
    }
    text.chars().map(|c| if is_legal(c) { c } else { char::REPLACEMENT_CHARACTER }).collect::<String>().into()
}

/// Escapes characters in JSON text that SQS refuses. They only occur in strings, so the value stays the same.
pub(super) fn escape_json(json: String) -> String {
    if json.chars().all(is_legal) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_legal(c) {
            escaped.push(c);
        } else {
            // All of them are below U+10000, so one escape is enough. Writing to a string does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
    }
    escaped
}

/// The text up to `bytes` bytes, cut at a character.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Returns whether SQS accepts the text as a group or deduplication id: 1–128 of letters, digits and ASCII punctuation.
pub(super) fn is_group(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaping_keeps_values_and_removes_illegal_characters(text in "\\PC*|[\u{0}-\u{1f}\u{fffd}-\u{10002}\"\\\\]*") {
            let value = serde_json::Value::from(text);
            let escaped = escape_json(value.to_string());
            prop_assert!(escaped.chars().all(is_legal));
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }

        #[test]
        fn replaced_text_is_legal_and_cuts_are_within_bounds(text in any::<String>(), bytes in 0usize..40) {
            prop_assert!(legal(&text).chars().all(is_legal));
            prop_assert!(cut(&text, bytes).len() <= bytes.min(text.len()));
        }
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(legal("a\u{0}b\u{1b}[1m\tc\u{ffff}"), "a\u{fffd}b\u{fffd}[1m\tc\u{fffd}");
        assert!(is_group("tenant-7") && is_group("a@b!") && !is_group("") && !is_group("a b") && !is_group("ü"));
    }
}
