//! Pieces of markup that pages share: states, times, numbers.

use std::fmt;

use jiff::Timestamp;
use lamplighter::{JobState, record::AttemptOutcome};

use crate::chart::escape;

/// Text that is markup already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Markup(pub(crate) String);

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Markup {
    fn write_into(&self, destination: &mut dyn fmt::Write, _: &dyn askama::Values) -> Result<(), askama::Error> {
        destination.write_str(&self.0).map_err(Into::into)
    }
}

impl askama::filters::HtmlSafe for Markup {}

/// A state: its colour, its shape and its word.
pub(crate) fn state(state: &JobState) -> Markup {
    word(state.as_str())
}

/// A word for a state that has a colour and a shape: of jobs, queues, operations.
pub(crate) fn word(word: &str) -> Markup {
    let shape = match word {
        "waiting" | "scheduled" | "queued" | "running" | "retrying" | "succeeded" | "failed" | "cancelled" => word,
        "active" | "done" => "succeeded",
        "paused" | "stopping" | "stopped" => "paused",
        "missing" | "missed" | "idle" => "failed",
        "changing" => "running",
        _ => "queued",
    };
    let word = escape(word);
    Markup(format!(
        r##"<span class="s s-{word}"><svg class="i" aria-hidden="true"><use href="#s-{shape}"/></svg>{word}</span>"##
    ))
}

/// The outcome of an attempt, likewise.
pub(crate) fn outcome(outcome: &AttemptOutcome) -> Markup {
    let (class, shape) = match outcome {
        AttemptOutcome::Succeeded => ("succeeded", "succeeded"),
        AttemptOutcome::Cancelled => ("cancelled", "cancelled"),
        AttemptOutcome::Continued => ("running", "running"),
        _ => ("failed", "failed"),
    };
    Markup(format!(
        r##"<span class="s s-{class}"><svg class="i" aria-hidden="true"><use href="#s-{shape}"/></svg>{}</span>"##,
        outcome.as_str()
    ))
}

/// A moment: exact in UTC, until a script makes it relative and moves it into the reader's zone.
pub(crate) fn time(at: &Timestamp) -> Markup {
    Markup(format!(r#"<time datetime="{}">{}</time>"#, at.strftime("%FT%T.%3fZ"), at.strftime("%F %T UTC")))
}

/// A moment on a page about one thing: how long ago, and exactly.
pub(crate) fn both(at: &Timestamp) -> Markup {
    let datetime = at.strftime("%FT%T.%3fZ");
    let words = at.strftime("%F %T UTC");
    Markup(format!(
        r#"<time datetime="{datetime}" data-as="ago">{words}</time> <time datetime="{datetime}" data-as="exact" class="at">{words}</time>"#
    ))
}

/// A command, which is broken into lines between its words.
pub(crate) fn command(text: &str) -> Markup {
    let word = |word: &str| format!("<span class=\"word\">{}</span>", escape(word));
    Markup(text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

/// A moment that is shown exactly.
pub(crate) fn exact(at: &Timestamp) -> Markup {
    Markup(format!(
        r#"<time datetime="{}" data-as="exact">{}</time>"#,
        at.strftime("%FT%T.%3fZ"),
        at.strftime("%F %T UTC")
    ))
}

/// A moment of this day.
pub(crate) fn clock(at: &Timestamp) -> Markup {
    Markup(format!(
        r#"<time datetime="{}" data-as="clock">{}</time>"#,
        at.strftime("%FT%T.%3fZ"),
        at.strftime("%T UTC")
    ))
}

/// In place of what is not known.
pub(crate) fn none() -> Markup {
    Markup(r#"<span class="none">–</span>"#.into())
}

/// `1,204`.
pub(crate) fn number(value: &u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 job`, `1,204 jobs`.
pub(crate) fn count(value: &u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if *value == 1 { one } else { many })
}

/// `12 ms`, `3.2 s`, `4 min 5 s`.
pub(crate) fn milliseconds(value: &f64) -> String {
    match *value {
        value if !value.is_finite() || value < 0.0 => "–".into(),
        value if value < 9.95 => format!("{value:.1} ms"),
        value if value < 999.5 => format!("{value:.0} ms"),
        value if value < 9_950.0 => format!("{:.1} s", value / 1000.0),
        value => seconds(&((value / 1000.0).round() as u64)),
    }
}

/// `12 s`, `4 min 5 s`, `3 h 20 min`, `2 d 4 h`.
pub(crate) fn seconds(value: &u64) -> String {
    let (first, rest) = match *value {
        value @ 0..60 => return format!("{value} s"),
        value @ 60..3_600 => ((value / 60, "min"), (value % 60, "s")),
        value @ 3_600..86_400 => ((value / 3_600, "h"), (value % 3_600 / 60, "min")),
        value => ((value / 86_400, "d"), (value % 86_400 / 3_600, "h")),
    };
    match rest {
        (0, _) => format!("{} {}", first.0, first.1),
        (count, unit) => format!("{} {} {count} {unit}", first.0, first.1),
    }
}

/// A rate in a minute: `0.4`, `12`, `1,204`.
pub(crate) fn rate(value: &f64) -> String {
    match *value {
        value if !value.is_finite() || value < 0.0 => "–".into(),
        value if value < 0.05 => "0".into(),
        value if value < 9.95 => format!("{value:.1}"),
        value => number(&(value.round() as u64)),
    }
}

/// The part of failures among what ended: `2.5 %`.
pub(crate) fn percent(part: &u64, whole: &u64) -> String {
    match (*part, *whole) {
        (_, 0) => "–".into(),
        (0, _) => "0 %".into(),
        (part, whole) if part >= whole => "100 %".into(),
        (part, whole) => format!("{:.1} %", (part as f64 / whole as f64 * 100.0).clamp(0.1, 99.9)),
    }
}

/// A part of a path or a value in an address.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                for half in [other >> 4, other & 15] {
                    encoded.push(char::from(DIGITS[usize::from(half)]));
                }
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 7, 999, 1_000, 1_234_567].map(|value| number(&value)), ["0", "7", "999", "1,000", "1,234,567"]);
        assert_eq!(number(&u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let words = [0, 59, 60, 245, 3_600, 12_000, 86_400, 187_200].map(|value| seconds(&value));
        assert_eq!(words, ["0 s", "59 s", "1 min", "4 min 5 s", "1 h", "3 h 20 min", "1 d", "2 d 4 h"]);
        let words = [0.0, 9.94, 12.4, 999.4, 3_210.0, 65_000.0, f64::NAN, -1.0].map(|value| milliseconds(&value));
        assert_eq!(words, ["0.0 ms", "9.9 ms", "12 ms", "999 ms", "3.2 s", "1 min 5 s", "–", "–"]);
    }

    #[test]
    fn a_few_failures_are_not_none_and_a_few_successes_not_none() {
        assert_eq!(percent(&0, &0), "–");
        assert_eq!(percent(&0, &9), "0 %");
        assert_eq!(percent(&1, &1_000_000), "0.1 %");
        assert_eq!(percent(&999_999, &1_000_000), "99.9 %");
        assert_eq!(percent(&5, &5), "100 %");
    }

    #[test]
    fn rates_are_short() {
        assert_eq!(
            [0.01, 0.42, 12.4, 1204.2, f64::INFINITY].map(|value| rate(&value)),
            ["0", "0.4", "12", "1,204", "–"]
        );
    }

    #[test]
    fn what_stands_in_an_address_cannot_leave_it() {
        assert_eq!(encode("a/b?c=d&e#f\"<ü>"), "a%2Fb%3Fc%3Dd%26e%23f%22%3C%C3%BC%3E");
    }

    #[test]
    fn a_word_from_elsewhere_is_inert() {
        let markup = word("<script>").to_string();
        assert!(!markup.contains("<script") && markup.contains("#s-queued"), "{markup}");
    }
}
