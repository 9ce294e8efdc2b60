//! The cron expression and its text form.

mod days;
mod error;
mod field;
mod foreign;
mod ncrontab;
mod occurrences;
mod parse;
mod set;
mod translate;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::error::CronError;
pub use self::field::{CronField, Dialect};

use self::days::Days;
use self::set::Set;

/// A cron expression that is known to be well formed and to fire at least once between 1970 and 2199.
///
/// Two dialects are read by [`Cron::parse`]:
///
/// - **Unix**, five fields: minutes, hours, day of month, month, day of week (0 and 7 are Sunday). Also the macros
///   `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually`. The two day fields combine
///   as in Vixie cron: a day matches when *either* field does, unless one of them starts with `*`; then *both* must.
///   So `0 0 13 * 5` runs on every 13th and on every Friday, while `0 0 */2 * 1` runs on Mondays with an odd date.
/// - **AWS**, six fields: minutes, hours, day of month, month, day of week (1 is Sunday), year; bare or wrapped as
///   `cron(…)`. Exactly one of the day fields is `?`. The day of month also takes `L` (last day), `LW` (last Monday
///   to Friday) and `15W` (the Monday to Friday nearest to the 15th, within the month; no run in a month that has no
///   such day). The day of week also takes `L` (Saturday), `6L` (last Friday of the month) and `6#3` (third Friday).
///   Source: Amazon EventBridge User Guide, "Cron expressions reference".
///
/// Names (`JAN`, `sun`) are read in either case. A range of AWS cron that ends before it starts wraps around: `20-2`
/// means the hours from 20 to 23 and from 0 to 2, `FRI-MON` four days. Each field is evaluated separately, so `0/30
/// 20-2 ? * MON-FRI *` runs in the first hours of Monday, and not in those of Saturday.
///
/// If the platforms are silent or disagree, the expression is refused rather than guessed, and the error says what to
/// write: ranges that run backwards and `5/10` in Unix cron, a step on such a range, `L`, `W` and `#` inside a list.
/// The same goes for forms of other programs: a seconds field, `TZ=…`, `@every 5m`.
///
/// Two values are equal when their texts are (apart from space around them); to compare their meaning, compare
/// [`Cron::to_aws`].
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    source: String,
    dialect: Dialect,
    // Boxed: the sets are large compared with the rest of `When` and `Schedule`.
    rule: Box<Rule>,
}

/// The meaning of the text.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Rule {
    minutes: Set,
    hours: Set,
    days: Days,
    months: Set,
    years: Set,
}

impl Cron {
    /// Parses a Unix or an AWS expression; the number of fields decides which.
    ///
    /// # Errors
    ///
    /// [`CronError`] names the field, what is wrong with it and what is allowed there. An expression that can never
    /// fire (`0 0 30 2 *`), or that is longer than 256 characters, is an error too.
    ///
    /// ```
    /// use lamplighter::schedule::Cron;
    ///
    /// assert!(Cron::parse("*/15 8-17 * * MON-FRI").is_ok());
    /// assert!(Cron::parse("cron(0 10 ? * 6#3 2026-2030)").is_ok());
    /// let error = Cron::parse("61 * * * *").unwrap_err().to_string();
    /// assert!(error.contains("minutes") && error.contains("0-59"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::parse(text)
    }

    /// The dialect that the expression was written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The text that was parsed, without the space around it.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?})", self.source)
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Cron {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, CronError> {
        Self::parse(&text)
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> String {
        cron.source
    }
}
