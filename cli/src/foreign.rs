//! Text from outside: arguments, errors, and names of hosts, queues and schedules, which a sender or a receiver chose.
//!
//! A terminal interprets some characters instead of showing them: an escape sequence can write into the clipboard, move
//! the cursor or change the title, and invisible or direction-changing characters make a line look like something else.
//! In output for people, such characters are shown as escapes of Rust source (`\u{1b}`, `\n`); in JSON, as JSON
//! escapes, so that the value stays the same.

use std::{borrow::Cow, fmt::Write as _, io};

use serde_json::ser::{CompactFormatter, Formatter};
use unicode_general_category::{GeneralCategory, get_general_category};

/// Returns the text in one line, without characters that a terminal interprets or hides.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if is_unsafe(letter) => {
                // Writing into a `String` does not fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// Applies [`safe`] line by line, for text of several lines.
pub(crate) fn safe_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(safe)
}

/// Returns whether a terminal interprets or hides the character: controls (C0, DEL, C1), format characters (directions,
/// zero widths, tags), separators of lines and paragraphs, and letters and selectors without a visible shape.
pub(crate) fn is_unsafe(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_ascii_control();
    }
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator};
    let invisible = ['\u{34f}', '\u{115f}', '\u{1160}', '\u{17b4}', '\u{17b5}', '\u{2800}', '\u{3164}', '\u{ffa0}'];
    matches!(get_general_category(letter), Control | Format | LineSeparator | ParagraphSeparator)
        || invisible.contains(&letter)
        // Default-ignorable code points, most of them not assigned yet.
        || matches!(letter, '\u{2065}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

/// Writes JSON in one line in which such characters are escaped. Non-ASCII characters occur only inside of strings,
/// even in JSON from a sender, which is passed on unchanged except for line breaks between its parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SafeJson;

impl SafeJson {
    fn write<W: ?Sized + io::Write>(writer: &mut W, text: &str) -> io::Result<()> {
        let mut written = 0;
        for (at, letter) in text.char_indices().filter(|(_, letter)| is_unsafe(*letter)) {
            writer.write_all(&text.as_bytes()[written..at])?;
            written = at + letter.len_utf8();
            match letter {
                '\n' | '\r' | '\t' => writer.write_all(b" ")?,
                letter => {
                    letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(writer, "\\u{unit:04x}"))?;
                }
            }
        }
        writer.write_all(&text.as_bytes()[written..])
    }
}

impl Formatter for SafeJson {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        Self::write(writer, fragment)
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        Self::write(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: serde_json::ser::CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::RawValue;
    use serde::Serialize;

    use super::*;

    /// One of each kind: an OSC 52, C1's CSI, DEL, a bidi override, zero widths, a tag, separators, fillers.
    const HOSTILE: &str = "\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200b}\u{200d}\u{feff}\u{e0041}\
                           \u{2028}\u{3164}\u{ad}\r\n\t\u{0}";

    #[test]
    fn characters_that_a_terminal_interprets_or_hides_are_escaped() {
        let shown = safe(HOSTILE);
        assert!(!shown.chars().any(is_unsafe), "{shown:?}");
        assert!(shown.starts_with("\\u{1b}]52;c;cm0gLXJm\\u{7}\\u{9b}31m\\u{7f}\\u{202e}"), "{shown}");
        assert!(shown.ends_with("\\r\\n\\t\\u{0}"), "{shown}");
    }

    #[test]
    fn ordinary_text_stays_unchanged() {
        for text in [
            "",
            "order-42",
            "C:\\temp",
            "naïve café",
            "é e\u{301}",
            "日本語　全角",
            "привет",
            "שלום",
            "مرحبا",
            "🌍 ❤\u{fe0f}",
            "100\u{a0}€",
        ] {
            assert!(matches!(safe(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(safe_lines("one\ntwo\u{85}\r\n").collect::<Vec<_>>(), ["one", "two\\u{85}"]);
    }

    #[test]
    fn json_stays_json_with_the_same_values_in_one_line() {
        let raw = "{\n \"a\":\r\n\t \"\u{7f}\u{9b}\u{202e}\u{e0041}\\n\\ud800\", \"n\": 1e400 }";
        let raw = RawValue::from_string(raw.to_owned()).unwrap();
        let mut out = Vec::new();
        let value = (HOSTILE, &raw);
        value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, SafeJson)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.chars().any(is_unsafe), "{text:?}");
        let (same, raw): (String, Box<RawValue>) = serde_json::from_str(&text).unwrap();
        assert_eq!(same, HOSTILE);
        assert_eq!(raw.get(), "{  \"a\":    \"\\u007f\\u009b\\u202e\\udb40\\udc41\\n\\ud800\", \"n\": 1e400 }");
    }
}
