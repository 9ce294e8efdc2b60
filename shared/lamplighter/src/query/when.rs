//! Moments in queries.

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::moment;

/// A moment, or a time ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// This moment; none is before 1970.
    At(Timestamp),
    /// So long before now.
    Ago(Duration),
}

impl When {
    /// A moment. One before 1970, when no job was known, is that year's beginning.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self::At(moment.max(Timestamp::UNIX_EPOCH))
    }

    /// The moment, as seen from `now`.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(time) => now.saturating_sub(time).unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH),
        }
    }

    /// Parses a moment of RFC 3339, or a time ago such as `2h` or `3 days`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let moment = moment::parse_clamped(text).ok().map(Self::at);
        moment.or_else(|| moment::parse_length(text).ok().map(Self::Ago))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = match self {
            Self::At(moment) => return write!(f, "{moment}"),
            Self::Ago(time) => time,
        };
        match (time.as_secs(), time.subsec_nanos()) {
            (0, 0) => f.write_str("0s"),
            (secs, 0) if secs % 86_400 == 0 => write!(f, "{}d", secs / 86_400),
            (secs, 0) if secs % 3600 == 0 => write!(f, "{}h", secs / 3600),
            (secs, 0) if secs % 60 == 0 => write!(f, "{}m", secs / 60),
            (secs, 0) => write!(f, "{secs}s"),
            (secs, nanos) => write!(f, "{}s", format!("{secs}.{nanos:09}").trim_end_matches('0')),
        }
    }
}
