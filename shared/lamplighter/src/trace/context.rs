//! The trace context of a message.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A trace context: the headers `traceparent` and `tracestate` of W3C Trace Context, levels 1 and 2
/// (<https://www.w3.org/TR/trace-context-2/>). Anyone can send a message, so what a message has is checked when it is
/// read: an invalid `traceparent` counts as absent, and so does an invalid `tracestate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The `traceparent` header.
    pub traceparent: String,
    /// The `tracestate` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
}

/// The length of a `traceparent` of version 00.
const LEN: usize = 55;
/// Longer ones can only be of versions that do not exist yet.
const MAX_LEN: usize = 256;
/// The most members of a `tracestate`, and the longest key and value.
const MAX_MEMBERS: usize = 32;
const MAX_MEMBER_LEN: usize = 256;

impl Trace {
    /// The longest `tracestate`, in bytes. The specification asks for at least as many ("tracestate Limits"); a longer
    /// one is dropped as a whole.
    pub const MAX_TRACESTATE_BYTES: usize = 512;

    /// The context with these headers; `None` when the `traceparent` is invalid. An invalid `tracestate` is left out.
    ///
    /// ```
    /// use lamplighter::message::Trace;
    ///
    /// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let trace = Trace::new(parent, Some("congo=t61rcWkgMzE")).unwrap();
    /// assert_eq!(trace.ids(), Some((0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7, 1)));
    /// assert_eq!(Trace::new("4bf92f3577b34da6a3ce929d0e0e4736", None), None);
    /// ```
    #[must_use]
    pub fn new(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        ids(traceparent)?;
        let tracestate = tracestate.filter(|state| is_tracestate(state)).map(str::to_owned);
        Some(Self { traceparent: traceparent.to_owned(), tracestate })
    }

    /// The trace's id, the parent span's id, and the flags, of which the first bit says whether the trace is sampled.
    /// `None` when the `traceparent` is invalid.
    #[must_use]
    pub fn ids(&self) -> Option<(u128, u64, u8)> {
        ids(&self.traceparent)
    }

    /// As it may go on the wire.
    pub(crate) fn checked(self) -> Option<Self> {
        self.ids()?;
        let tracestate = self.tracestate.filter(|state| is_tracestate(state));
        Some(Self { tracestate, ..self })
    }

    /// Reads the field of a message: an object, or the bare `traceparent`. All that is invalid counts as absent.
    pub(crate) fn of_field(field: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Headers<'a> {
            #[serde(borrow)]
            traceparent: &'a RawValue,
            #[serde(borrow, default)]
            tracestate: Option<&'a RawValue>,
        }
        if field.get().starts_with('"') {
            return Self::new(&text(field)?, None);
        }
        let Headers { traceparent, tracestate } = serde_json::from_str(field.get()).ok()?;
        Self::new(&text(traceparent)?, tracestate.and_then(text).as_deref())
    }
}

/// A text that is not too long for either header.
fn text(value: &RawValue) -> Option<String> {
    // Each character may be written as an escape of six.
    let is_short = value.get().len() <= 6 * Trace::MAX_TRACESTATE_BYTES;
    is_short.then(|| serde_json::from_str(value.get()).ok()).flatten()
}

/// Reads a `traceparent`. Of a version that is not known, the fields that version 00 has are read, as its section
/// "Versioning of traceparent" says.
fn ids(traceparent: &str) -> Option<(u128, u64, u8)> {
    let bytes = traceparent.as_bytes();
    if !(LEN..=MAX_LEN).contains(&bytes.len()) || [2, 35, 52].iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let version = hex(&bytes[..2])?;
    let ends_well = match version {
        0 => bytes.len() == LEN,
        0xff => false,
        _ => bytes.get(LEN).is_none_or(|next| *next == b'-'),
    };
    let (trace, parent, flags) = (hex(&bytes[3..35])?, hex(&bytes[36..52])?, hex(&bytes[53..55])?);
    // Neither loses a digit: they have 16 and 2.
    (ends_well && trace != 0 && parent != 0).then_some((trace, parent as u64, flags as u8))
}

/// A number in lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Whether it is a list of members, by the grammar of level 2, which has that of level 1 in it.
fn is_tracestate(state: &str) -> bool {
    if state.len() > Trace::MAX_TRACESTATE_BYTES {
        return false;
    }
    let members = state.split(',').map(|member| member.trim_matches([' ', '\t']));
    let (mut count, mut is_valid) = (0, true);
    for member in members.filter(|member| !member.is_empty()) {
        count += 1;
        is_valid &= member.split_once('=').is_some_and(|(key, value)| is_key(key) && is_value(value));
    }
    is_valid && (1..=MAX_MEMBERS).contains(&count)
}

fn is_key(key: &str) -> bool {
    let is_first = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_next = |byte: u8| is_first(&byte) || b"_-*/@".contains(&byte);
    key.len() <= MAX_MEMBER_LEN && key.as_bytes().first().is_some_and(is_first) && key.bytes().all(is_next)
}

/// Spaces at its end were trimmed with the member.
fn is_value(value: &str) -> bool {
    let is_valid = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    (1..=MAX_MEMBER_LEN).contains(&value.len()) && value.bytes().all(is_valid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn state(text: &str) -> Option<String> {
        Trace::new(PARENT, Some(text)).unwrap().tracestate
    }

    #[test]
    fn a_traceparent_is_read_by_the_grammar() {
        let flags = |text: &str| Trace::new(text, None).and_then(|trace| trace.ids()).map(|(.., flags)| flags);
        for (text, expected) in [
            (PARENT, Some(1)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(0)),
            // Level 2: the trace's id is random.
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03", Some(3)),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", Some(255)),
            // A version to come may add fields.
            ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(1)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like", Some(1)),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what-the-future-will-be-like", None),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", None),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", None),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A", None),
            ("0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01", None),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", None),
            (" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1", None),
            ("00-4bf92f3577b34da6a3ce929d0e0é4736-00f067aa0ba902b7-01", None),
            ("", None),
        ] {
            assert_eq!(flags(text), expected, "{text}");
        }
        let long = format!("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-{}", "x".repeat(201));
        assert_eq!((long.len(), flags(&long), flags(&long[..256])), (257, None, Some(1)));
    }

    #[test]
    fn a_tracestate_is_read_by_the_grammar_and_alone_left_out() {
        for valid in [
            "congo=t61rcWkgMzE",
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "rojo=1 \t,\t congo=2",
            "rojo=1,,congo=2,",
            "0digits=1",
            "a_-*/@b=!\"#$%&'()*+-./:;<>?@[]^_`{|}~",
            "fw529a3039@dt=FfA8",
            "a= leading spaces",
        ] {
            assert_eq!(state(valid).as_deref(), Some(valid));
        }
        let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert!(state(&members(32)).is_some());
        assert!(
            state(&format!("k={}", "v".repeat(256))).is_some() && state(&format!("{}=v", "k".repeat(256))).is_some()
        );
        let full = format!("a={},b={}", "v".repeat(256), "v".repeat(251));
        assert!(full.len() == 512 && state(&full).is_some() && state(&format!("{full}v")).is_none());
        for invalid in [
            "",
            " , ",
            "congo",
            "=value",
            "congo=",
            "congo=a=b",
            "Congo=a",
            "@congo=a",
            "con go=a",
            "congo=é",
            "congo=a\u{7f}",
            "congo=a\nb",
            &members(33),
            &format!("k={}", "v".repeat(257)),
            &format!("{}=v", "k".repeat(257)),
        ] {
            assert_eq!(state(invalid), None, "{invalid}");
        }
    }

    #[test]
    fn a_field_of_any_content_is_read_or_absent() {
        let field = |json: &str| Trace::of_field(serde_json::from_str::<&RawValue>(json).unwrap());
        let bare = format!("{PARENT:?}");
        assert_eq!(field(&bare), Trace::new(PARENT, None));
        let both = format!(r#"{{"traceparent":"{PARENT}","tracestate":"a=b","more":[1]}}"#);
        assert_eq!(field(&both), Trace::new(PARENT, Some("a=b")));
        for odd in ["null", "7", "{}", "[\"a\"]", r#""a=""#, r#""\ud800""#] {
            assert_eq!(field(&both.replace(r#""a=b""#, odd)), Trace::new(PARENT, None), "{odd}");
            assert_eq!(field(&both.replace(&bare, odd)), None, "{odd}");
            assert_eq!(field(odd), None, "{odd}");
        }
        assert_eq!(field(&format!("\"{}\"", "0".repeat(1 << 20))), None);
        let twice = format!(r#"{{"traceparent":"{PARENT}","traceparent":"{PARENT}"}}"#);
        assert_eq!(field(&twice), None);
    }

    proptest! {
        #[test]
        fn ids_are_read_as_they_are_written(trace in 1u128.., parent in 1u64.., flags: u8) {
            let text = format!("00-{trace:032x}-{parent:016x}-{flags:02x}");
            prop_assert_eq!(Trace::new(&text, None).unwrap().ids(), Some((trace, parent, flags)));
        }

        #[test]
        fn no_text_panics(parent in ".*", state in ".*") {
            let _ = Trace::new(&parent, Some(&state));
            let _ = Trace::new(PARENT, Some(&state));
        }

        #[test]
        fn near_misses_do_not_panic(text in "[0-9a-fé]{2}-[0-9a-fé]{30,32}-[0-9a-fé]{14,16}-[0-9a-fé]{2}") {
            let _ = Trace::new(&text, None);
        }
    }
}
