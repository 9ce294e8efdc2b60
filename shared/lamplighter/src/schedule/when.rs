//! The three forms of a schedule's times.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::rate::whole_second;
use super::{Cron, CronError, Rate, RateError};
use crate::moment;

/// When a schedule fires: by cron expression, at a rate, or once.
///
/// The text form, which is also the serialised one, is the cron expression as written, `rate(5 minutes)`, or
/// `at(2026-05-01T06:00:00Z)`. Parsing the text returns an equal value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum When {
    /// At the local times that an expression names.
    Cron(Cron),
    /// At a fixed rate.
    Rate(Rate),
    /// Once. A fraction of a second is rounded up: never too early.
    At(Timestamp),
}

/// Why a text is not a valid [`When`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhenError {
    /// A bad cron expression, or a text that is none of the three forms.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// A bad rate.
    #[error(transparent)]
    Rate(#[from] RateError),
    /// A bad moment.
    #[error(
        "`{text}`: write `at(yyyy-mm-ddThh:mm:ssZ)`; the moment needs `Z` for UTC or an offset such as `+02:00`, and the \
         last one is 9999-12-30T22:00:00Z"
    )]
    At {
        /// The text as given.
        text: String,
    },
}

impl When {
    /// A cron expression; see [`Cron::parse`].
    ///
    /// # Errors
    ///
    /// [`CronError`], as [`Cron::parse`].
    pub fn cron(expression: &str) -> Result<Self, CronError> {
        Cron::parse(expression).map(Self::Cron)
    }

    /// A rate; see [`Rate::every`].
    ///
    /// # Errors
    ///
    /// [`RateError::Range`] unless it is whole seconds, from 1 second to 3650 days.
    pub fn rate(every: Duration) -> Result<Self, RateError> {
        Rate::every(every).map(Self::Rate)
    }

    /// One moment.
    pub fn at(moment: Timestamp) -> Self {
        Self::At(moment)
    }

    /// Reads any of the three forms; what begins with neither `rate(` nor `at(` is read as cron. A moment must carry
    /// `Z` or an offset, so that it cannot be mistaken for local time in the schedule's zone.
    ///
    /// # Errors
    ///
    /// [`WhenError`], with the reason of the form that was tried.
    pub fn parse(text: &str) -> Result<Self, WhenError> {
        let text = text.trim();
        if text.starts_with("rate(") {
            return Ok(Self::Rate(Rate::parse(text)?));
        }
        if let Some(rest) = text.strip_prefix("at(") {
            let moment = rest.strip_suffix(')').filter(|moment| !moment.contains('['));
            return moment
                .and_then(|text| moment::parse(text.trim()).ok())
                .map(Self::At)
                .ok_or_else(|| WhenError::At { text: text.into() });
        }
        Ok(Self::Cron(Cron::parse(text)?))
    }

    /// The first firing after `after`, never `after` itself. The zone matters to cron only.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next_after(after, zone),
            Self::Rate(rate) => rate.next_after(after),
            Self::At(moment) => round_up(*moment).filter(|tick| *tick > after),
        }
    }

    /// The latest firing at or before `moment`. The zone matters to cron only.
    pub fn at_or_before(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.at_or_before(moment, zone),
            Self::Rate(rate) => rate.at_or_before(moment),
            Self::At(at) => round_up(*at).filter(|tick| *tick <= moment),
        }
    }
}

/// The moment itself if it is a whole second, otherwise the next one.
pub(super) fn round_up(moment: Timestamp) -> Option<Timestamp> {
    let fraction = i64::from(moment.subsec_nanosecond() != 0);
    Timestamp::from_second(whole_second(moment) + fraction).ok()
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron(cron) => cron.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::At(moment) => write!(f, "at({moment})"),
        }
    }
}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<Self, WhenError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for When {
    type Error = WhenError;

    fn try_from(text: String) -> Result<Self, WhenError> {
        Self::parse(&text)
    }
}

impl From<When> for String {
    fn from(when: When) -> String {
        when.to_string()
    }
}

impl From<Cron> for When {
    fn from(cron: Cron) -> Self {
        Self::Cron(cron)
    }
}

impl From<Rate> for When {
    fn from(rate: Rate) -> Self {
        Self::Rate(rate)
    }
}

impl From<Timestamp> for When {
    fn from(moment: Timestamp) -> Self {
        Self::At(moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_needs_a_zone_and_rounds_up() {
        let when = When::parse("at(2026-05-01T06:00:00Z)").unwrap();
        assert_eq!(when, When::parse("at(2026-05-01T08:00:00+02:00)").unwrap());
        assert_eq!(when.to_string(), "at(2026-05-01T06:00:00Z)");
        for text in [
            "at(2026-05-01T06:00:00)",
            "at(tomorrow)",
            "at(",
            "at()",
            "at(2026-02-30T00:00:00Z)",
            "at(2026-05-01T06:00:00Z[UTC])",
        ] {
            assert!(matches!(When::parse(text), Err(WhenError::At { .. })), "{text}");
        }
        assert!(When::parse("at(9999-12-31T23:59:59Z)").unwrap_err().to_string().contains("9999-12-30T22:00:00Z"));
        assert_eq!(
            When::parse("at(2026-05-01t06:00:00.1234567890123z)"),
            When::parse("at(2026-05-01T06:00:00.123456789Z)")
        );
        let late = When::parse("at(2026-05-01T06:00:00.25Z)").unwrap();
        let tick = "2026-05-01T06:00:01Z".parse().unwrap();
        assert_eq!(late.next_after("2026-05-01T06:00:00.9Z".parse().unwrap(), &TimeZone::UTC), Some(tick));
        assert_eq!(late.next_after(tick, &TimeZone::UTC), None);
        assert_eq!(late.at_or_before(tick, &TimeZone::UTC), Some(tick));
        assert_eq!(When::At(Timestamp::MAX).next_after(Timestamp::MIN, &TimeZone::UTC), None);
    }

    #[test]
    fn parse_distinguishes_the_forms() {
        assert!(matches!(When::parse("rate(5 minutes)"), Ok(When::Rate(_))));
        assert!(matches!(When::parse("@daily"), Ok(When::Cron(_))));
        assert!(matches!(When::parse("cron(0 6 * * ? *)"), Ok(When::Cron(_))));
        assert!(matches!(When::parse("every now and then"), Err(WhenError::Cron(_))));
        assert!(matches!(When::parse("rate(1 minutes)"), Err(WhenError::Rate(_))));
    }
}
