//! The `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

/// The longest time that is honoured: as long as the job's own policy waits. With it before every attempt a job still
/// ends within the four days for which its queue keeps it; a receiver that could ask for more could make jobs vanish.
pub(crate) const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// The delay that a receiver asks for, at most [`LONGEST`]; `None` for a value that cannot be parsed. It may be zero:
/// the job's policy decides how soon it is tried again.
pub(crate) fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let moment = httpdate::parse_http_date(value).ok()?;
        moment.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use lamplighter::{Job, days};
    use lamplighter_jobs::DeliverWebhook;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_and_dates() {
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        let secs = |value: &str| parse(value, now).map(|wait| wait.as_secs());
        assert_eq!(secs("120"), Some(120));
        assert_eq!(secs(" 7 "), Some(7));
        assert_eq!(secs("0"), Some(0));
        assert_eq!(secs("86400"), Some(LONGEST.as_secs()));
        assert_eq!(secs("99999999999999999999999999"), Some(LONGEST.as_secs()));
        assert_eq!(secs("Mon, 23 Nov 2026 12:10:00 GMT"), Some(600));
        assert_eq!(secs("Monday, 23-Nov-26 12:10:00 GMT"), Some(600));
        assert_eq!(secs("Mon Nov 23 12:10:00 2026"), Some(600));
        assert_eq!(secs("Mon, 23 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(secs("Fri, 31 Dec 9999 23:59:59 GMT"), Some(LONGEST.as_secs()));
        for unreadable in ["", "soon", "-5", "1.5", "+3", "Mon, 32 Nov 2026 12:00:00 GMT"] {
            assert_eq!(secs(unreadable), None, "{unreadable}");
        }
    }

    /// A queue keeps a message for at least four days (`cargo lamp infra`).
    #[test]
    fn receivers_cannot_delay_a_job_beyond_its_message() {
        let options = DeliverWebhook::options();
        let attempts = options.retry.max_attempts();
        let longest = LONGEST * (attempts - 1) + options.timeout * attempts;
        assert!(longest < days(4), "{longest:?}");
        assert!((1..attempts).all(|attempt| options.retry.ceiling(attempt) <= LONGEST));
    }

    proptest! {
        #[test]
        fn no_value_panics_or_is_longer_than_the_longest(value in ".*") {
            if let Some(wait) = parse(&value, SystemTime::UNIX_EPOCH) {
                prop_assert!(wait <= LONGEST);
            }
        }
    }
}
