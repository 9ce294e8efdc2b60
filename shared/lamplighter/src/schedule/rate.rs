//! A fixed rate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
/// Ten years, leap days left out: longer is a typing error, and arithmetic on it can never overflow.
const MAX: u32 = 3650 * DAY;

/// An interval in whole seconds, from 1 second to 3650 days.
///
/// **Ticks are the multiples of the rate since 1970-01-01T00:00:00Z**, so that processes agree on them without
/// communicating: `rate(1 hour)` ticks on the hour, `rate(7 days)` on Thursdays at midnight UTC. EventBridge counts
/// from the creation of the rule instead; there the ticks have the same interval but another phase.
///
/// The text form is AWS's, `rate(5 minutes)`, and also knows seconds, which only the embedded backend supports. Equal
/// rates have the same text: `rate(60 minutes)` is shown as `rate(1 hour)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    seconds: u32,
}

/// Why a rate was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Not of the form `rate(<number> <unit>)`.
    #[error(
        "rate `{text}`: write `rate(<number> <unit>)` with second(s), minute(s), hour(s) or day(s), such as `rate(5 minutes)`"
    )]
    Syntax {
        /// The text as given.
        text: String,
    },
    /// AWS requires `1 minute` and `5 minutes` (EventBridge User Guide, "Rate expressions").
    #[error("rate `{text}`: the unit of 1 is singular and of every other number plural; write `{repaired}`")]
    Plural {
        /// The text as given.
        text: String,
        /// The same with the right unit.
        repaired: String,
    },
    /// Below a second, above 3650 days, or not whole seconds.
    #[error("rate of {given}: it must be whole seconds, from 1 second to 3650 days")]
    Range {
        /// The requested rate.
        given: String,
    },
    /// AWS supports whole minutes only.
    #[error(
        "{rate}: EventBridge runs at most once a minute and in whole minutes; only the embedded backend can keep this rate"
    )]
    NotAws {
        /// The rate.
        rate: Rate,
    },
    /// NCRONTAB counts within a minute, an hour, a day or a week.
    #[error(
        "{rate}: NCRONTAB cannot express it; choose a rate that divides a minute, an hour or a day evenly, or `rate(7 days)`"
    )]
    NotNcrontab {
        /// The rate.
        rate: Rate,
    },
}

impl Rate {
    /// A rate from a duration.
    ///
    /// # Errors
    ///
    /// [`RateError::Range`] unless it is whole seconds, from 1 second to 3650 days.
    pub fn every(every: Duration) -> Result<Self, RateError> {
        let range = || RateError::Range { given: format!("{every:?}") };
        let seconds = u32::try_from(every.as_secs()).map_err(|_| range())?;
        if every.subsec_nanos() != 0 || !(1..=MAX).contains(&seconds) {
            return Err(range());
        }
        Ok(Self { seconds })
    }

    /// Reads `rate(5 minutes)`; units are second(s), minute(s), hour(s) and day(s).
    ///
    /// # Errors
    ///
    /// [`RateError`]; as at AWS, `rate(1 minutes)` and `rate(5 minute)` are refused.
    pub fn parse(text: &str) -> Result<Self, RateError> {
        let text = text.trim();
        let syntax = || RateError::Syntax { text: text.into() };
        let inner = text.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')')).ok_or_else(syntax)?;
        let mut words = inner.split_whitespace();
        let (Some(number), Some(unit), None) = (words.next(), words.next(), words.next()) else {
            return Err(syntax());
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(syntax());
        }
        let singular = unit.strip_suffix('s').unwrap_or(unit);
        let each = match singular {
            "second" => 1,
            "minute" => MINUTE,
            "hour" => HOUR,
            "day" => DAY,
            _ => return Err(syntax()),
        };
        let range = || RateError::Range { given: format!("{number} {unit}") };
        let count: u32 = number.parse().map_err(|_| range())?;
        let seconds = count.checked_mul(each).filter(|all| (1..=MAX).contains(all)).ok_or_else(range)?;
        if (count == 1) != (unit == singular) {
            let repaired = format!("rate({})", counted(count, singular));
            return Err(RateError::Plural { text: text.into(), repaired });
        }
        Ok(Self { seconds })
    }

    /// The time between two ticks.
    pub fn period(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds))
    }

    /// The expression for AWS, such as `rate(5 minutes)`.
    ///
    /// # Errors
    ///
    /// [`RateError::NotAws`] unless the rate is whole minutes: EventBridge's shortest rate is one minute
    /// (EventBridge User Guide, "Rate expressions").
    pub fn to_aws(self) -> Result<String, RateError> {
        if self.seconds.is_multiple_of(MINUTE) { Ok(self.to_string()) } else { Err(RateError::NotAws { rate: self }) }
    }

    /// The first tick after `after`, never `after` itself; `None` at the end of time (the year 9999).
    pub fn next_after(self, after: Timestamp) -> Option<Timestamp> {
        let period = i64::from(self.seconds);
        let tick = (whole_second(after).div_euclid(period) + 1) * period;
        Timestamp::from_second(tick).ok()
    }

    /// The latest tick at or before `moment`; `None` at the beginning of time.
    pub fn at_or_before(self, moment: Timestamp) -> Option<Timestamp> {
        let period = i64::from(self.seconds);
        let tick = whole_second(moment).div_euclid(period) * period;
        Timestamp::from_second(tick).ok()
    }
}

/// The second that contains a moment, rounded down before 1970 as well.
pub(super) fn whole_second(moment: Timestamp) -> i64 {
    moment.as_second() - i64::from(moment.subsec_nanosecond() < 0)
}

fn counted(count: u32, singular: &str) -> String {
    format!("{count} {singular}{}", if count == 1 { "" } else { "s" })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (each, unit) = [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")]
            .into_iter()
            .find(|(each, _)| self.seconds.is_multiple_of(*each))
            .unwrap_or((1, "second"));
        write!(f, "rate({})", counted(self.seconds / each, unit))
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        Self::parse(text)
    }
}

impl TryFrom<Duration> for Rate {
    type Error = RateError;

    fn try_from(every: Duration) -> Result<Self, RateError> {
        Self::every(every)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        Self::parse(&text)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_formats() {
        for (text, seconds, shown) in [
            ("rate(1 minute)", 60, "rate(1 minute)"),
            (" rate( 5  minutes ) ", 300, "rate(5 minutes)"),
            ("rate(60 minutes)", 3600, "rate(1 hour)"),
            ("rate(36 hours)", 36 * 3600, "rate(36 hours)"),
            ("rate(7 days)", 7 * 86400, "rate(7 days)"),
            ("rate(90 seconds)", 90, "rate(90 seconds)"),
            ("rate(1 second)", 1, "rate(1 second)"),
            ("rate(3650 days)", 3650 * 86400, "rate(3650 days)"),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!((rate.period(), rate.to_string().as_str()), (Duration::from_secs(seconds), shown));
        }
    }

    #[test]
    fn refuses_and_says_why() {
        for text in ["rate(1 minutes)", "rate(5 minute)", "rate(1 hours)"] {
            assert!(matches!(Rate::parse(text), Err(RateError::Plural { .. })), "{text}");
        }
        assert!(Rate::parse("rate(5 minute)").unwrap_err().to_string().contains("`rate(5 minutes)`"));
        for text in [
            "",
            "rate",
            "5 minutes",
            "rate(5)",
            "rate(5 weeks)",
            "rate(+5 minutes)",
            "rate(5 minutes",
            "rate(5 min utes)",
        ] {
            assert!(matches!(Rate::parse(text), Err(RateError::Syntax { .. })), "{text}");
        }
        for text in ["rate(0 minutes)", "rate(3651 days)", "rate(99999999999999999999 days)", "rate(4294967295 days)"] {
            assert!(matches!(Rate::parse(text), Err(RateError::Range { .. })), "{text}");
        }
        for every in [Duration::ZERO, Duration::from_millis(1500), Duration::MAX] {
            assert!(matches!(Rate::every(every), Err(RateError::Range { .. })), "{every:?}");
        }
    }

    #[test]
    fn aws_takes_whole_minutes() {
        let aws = |seconds| Rate::every(Duration::from_secs(seconds)).unwrap().to_aws();
        assert_eq!(aws(120).unwrap(), "rate(2 minutes)");
        assert_eq!(aws(86400).unwrap(), "rate(1 day)");
        assert!(matches!(aws(30), Err(RateError::NotAws { .. })));
        assert!(aws(90).unwrap_err().to_string().starts_with("rate(90 seconds)"));
    }

    #[test]
    fn ticks_are_multiples_since_the_epoch() {
        let rate = Rate::parse("rate(15 minutes)").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(rate.next_after(at("2026-05-01T10:15:00Z")), Some(at("2026-05-01T10:30:00Z")));
        assert_eq!(rate.next_after(at("2026-05-01T10:14:59.9Z")), Some(at("2026-05-01T10:15:00Z")));
        assert_eq!(rate.at_or_before(at("2026-05-01T10:15:00Z")), Some(at("2026-05-01T10:15:00Z")));
        assert_eq!(rate.at_or_before(at("1969-12-31T23:59:59.5Z")), Some(at("1969-12-31T23:45:00Z")));
        assert_eq!(rate.next_after(at("1969-12-31T23:59:59.5Z")), Some(at("1970-01-01T00:00:00Z")));
        assert_eq!(rate.next_after(Timestamp::MAX), None);
    }
}
