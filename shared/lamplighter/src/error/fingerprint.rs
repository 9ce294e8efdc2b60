//! What failures of one cause have in common, as a short text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::{ErrorText, normal};
use crate::record::AttemptOutcome;

/// The fingerprint of a failed attempt: the same for failures of one cause, which it puts into one
/// [group](super::ErrorGroup). As text, 16 hexadecimal digits.
///
/// It is made of the job's name, of how the attempt ended (with an error, in a panic, …), and of the messages of the
/// error and its causes without what varies from one failure to the next: numbers, ids, quoted values, moments, and
/// those in paths. The messages are those that the record keeps: sensitive values are gone from them before. The
/// error's Rust type is no part of it: what the compiler calls a type is not stable.
///
/// It is the beginning of a SHA-256 hash, on every platform and in every version the same. A failure has another
/// fingerprint only under another [`SCHEME`](Self::SCHEME).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The version of the rules by which fingerprints are made. It is raised with each change of them: failures after
    /// it then have groups of their own.
    pub const SCHEME: u32 = 1;

    /// What is read of each message, in bytes.
    const READ: usize = 1024;
    /// What counts of each message without what varies, in bytes.
    const COUNTS: usize = 512;

    /// The fingerprint of an attempt at this job. Of each message, the first kilobyte is read.
    #[must_use]
    pub fn of(job: &str, outcome: AttemptOutcome, error: &ErrorText) -> Self {
        Self::of_normal(job, outcome, &normal_messages(error))
    }

    /// The fingerprint, from the messages without what varies.
    pub(super) fn of_normal(job: &str, outcome: AttemptOutcome, messages: &[String]) -> Self {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            // With its length, so that no two lists of texts look alike.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        add(&format!("lamplighter.error.{}", Self::SCHEME));
        add(job);
        add(outcome.as_str());
        messages.iter().for_each(|message| add(message));
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// As a number, for a store.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// From a number that [`to_bits`](Self::to_bits) returned.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// The messages of an error and of as many causes as are kept, without what varies.
pub(super) fn normal_messages(error: &ErrorText) -> Vec<String> {
    let causes = error.chain.iter().take(ErrorText::MAX_CHAIN);
    let messages = std::iter::once(&error.message).chain(causes);
    messages.map(|text| normal::normalize(text, Fingerprint::READ, Fingerprint::COUNTS)).collect()
}

/// The title of the group of these messages.
pub(super) fn title(messages: &[String]) -> String {
    let mut title = String::new();
    for message in messages {
        if !title.is_empty() && !message.is_empty() {
            title.push_str(": ");
        }
        title.push_str(message);
        if title.len() > ErrorText::MAX_TITLE {
            title.truncate(normal::boundary(&title, ErrorText::MAX_TITLE - '…'.len_utf8()));
            title.push('…');
            break;
        }
    }
    title
}

impl ErrorText {
    /// The longest [title](Self::title), in bytes.
    pub const MAX_TITLE: usize = 240;

    /// The messages without what varies from one failure to the next, in one line: the title of their
    /// [group](super::ErrorGroup).
    #[must_use]
    pub fn title(&self) -> String {
        title(&normal_messages(self))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:016x}", self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A text that is no [`Fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a fingerprint: those have 16 hexadecimal digits, like 3f9a5c0d7be21846")]
pub struct InvalidFingerprint(String);

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u64::from_str_radix(text, 16).ok().filter(|_| is_hex);
        bits.map(Self).ok_or_else(|| InvalidFingerprint(text.into()))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str, chain: &[&str]) -> ErrorText {
        ErrorText { message: message.into(), chain: chain.iter().map(ToString::to_string).collect() }
    }

    fn of(message: &str, chain: &[&str]) -> Fingerprint {
        Fingerprint::of("order.ship", AttemptOutcome::Error, &error(message, chain))
    }

    /// Computed by another program. A change of them is a change of the scheme.
    #[test]
    fn fingerprints_are_those_of_the_scheme() {
        assert_eq!(Fingerprint::SCHEME, 1);
        assert_eq!(of("order 42 not found", &[]).to_string(), "c8a0708df7f43cf3");
        assert_eq!(of("could not ship", &["status 503"]).to_string(), "6352a17e4e21cc7c");
        let panic = Fingerprint::of("order.ship", AttemptOutcome::Panic, &error("panicked: no", &[]));
        assert_eq!(panic.to_string(), "e66d1dd1a8427814");
        let late = Fingerprint::of("order.ship", AttemptOutcome::TimedOut, &error("took longer than 30s", &[]));
        assert_eq!(late.to_string(), "a838ef5b25f1d53a");
        let lost = Fingerprint::of("order.ship", AttemptOutcome::Lost, &error("", &[]));
        assert_eq!(lost.to_string(), "bc204773f09a0898");
    }

    #[test]
    fn failures_of_one_cause_have_one_fingerprint() {
        assert_eq!(of("order 42 not found", &[]), of("order 7 not found", &[]));
        assert_eq!(of("no", &["at 17:00:01", "row 3"]), of("no", &["at 18:30:59", "row 4"]));
        let others = [
            of("order 42 not found", &[]),
            of("customer 42 not found", &[]),
            of("order 42", &["not found"]),
            of("order", &["42", "not found"]),
            Fingerprint::of("order.bill", AttemptOutcome::Error, &error("order 42 not found", &[])),
            Fingerprint::of("order.ship", AttemptOutcome::Panic, &error("order 42 not found", &[])),
        ];
        let distinct: std::collections::BTreeSet<_> = others.iter().collect();
        assert_eq!(distinct.len(), others.len());
    }

    #[test]
    fn only_the_beginning_of_a_long_message_counts() {
        let long = |end: &str| error(&format!("{}{end}", "no ".repeat(1_000_000)), &[]);
        let of = |error: &ErrorText| Fingerprint::of("order.ship", AttemptOutcome::Error, error);
        assert_eq!(of(&long("a")), of(&long("b")));
        let (digits, more) = ("1".repeat(5_000_000), "2".repeat(7_000_000));
        assert_eq!(of(&error(&digits, &[])), of(&error(&more, &[])));
        let quoted = |value: &str| error(&format!("no row \"{}\" here", value.repeat(10_000)), &[]);
        assert_eq!(of(&quoted("a")), of(&quoted("b")));
    }

    #[test]
    fn a_title_is_one_line_of_bounded_length() {
        assert_eq!(error("order 42", &["status 503", "", "at 17:00:01"]).title(), "order <n>: status <n>: at <time>");
        assert_eq!(error("two\nlines", &[]).title(), "two lines");
        let long = error(&"ü ".repeat(500), &["more"]).title();
        assert!(long.len() <= ErrorText::MAX_TITLE && long.ends_with('…'), "{long}");
        let exact = "a".repeat(ErrorText::MAX_TITLE);
        assert_eq!(error(&exact, &[]).title(), exact);
    }

    #[test]
    fn fingerprints_round_trip_as_text_and_as_json() {
        let fingerprint = Fingerprint::from_bits(0x3f9a);
        assert_eq!(fingerprint.to_string(), "0000000000003f9a");
        assert_eq!("0000000000003F9A".parse(), Ok(fingerprint));
        let json = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(json, "\"0000000000003f9a\"");
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), fingerprint);
        for bad in ["", "3f9a", "+000000000003f9a", "0000000000003f9g", "00000000000003f9a"] {
            assert!(bad.parse::<Fingerprint>().unwrap_err().to_string().contains("16 hexadecimal digits"), "{bad}");
        }
    }
}
