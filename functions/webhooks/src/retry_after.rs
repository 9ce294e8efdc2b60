//! The `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

/// The shortest time that is honoured: an answer of 0 must not burn all attempts in a second.
pub(crate) const SHORTEST: Duration = Duration::from_secs(1);
/// The longest time that is honoured. SQS can hide a message for 12 hours from its receive (Amazon SQS API reference,
/// ChangeMessageVisibility), and this leaves room for the attempt itself.
pub(crate) const LONGEST: Duration = Duration::from_secs(11 * 3600);

/// How long a receiver asks to be left alone, within [`SHORTEST`] and [`LONGEST`]; `None` for what cannot be read.
pub(crate) fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let moment = httpdate::parse_http_date(value).ok()?;
        moment.duration_since(now).unwrap_or_default()
    };
    Some(wait.clamp(SHORTEST, LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_and_dates() {
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        let secs = |value: &str| parse(value, now).map(|wait| wait.as_secs());
        assert_eq!(secs("120"), Some(120));
        assert_eq!(secs(" 7 "), Some(7));
        assert_eq!(secs("0"), Some(1));
        assert_eq!(secs("86400"), Some(LONGEST.as_secs()));
        assert_eq!(secs("99999999999999999999999999"), Some(LONGEST.as_secs()));
        assert_eq!(secs("Mon, 23 Nov 2026 12:10:00 GMT"), Some(600));
        assert_eq!(secs("Monday, 23-Nov-26 12:10:00 GMT"), Some(600));
        assert_eq!(secs("Mon Nov 23 12:10:00 2026"), Some(600));
        assert_eq!(secs("Mon, 23 Nov 2026 11:00:00 GMT"), Some(1));
        for unreadable in ["", "soon", "-5", "1.5", "+3", "Mon, 32 Nov 2026 12:00:00 GMT"] {
            assert_eq!(secs(unreadable), None, "{unreadable}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics_or_leaves_the_bounds(value in ".*") {
            if let Some(wait) = parse(&value, SystemTime::UNIX_EPOCH) {
                prop_assert!((SHORTEST..=LONGEST).contains(&wait));
            }
        }
    }
}
