//! The fields of an expression, and the list syntax that they share.

use std::fmt;

use super::set::Set;

/// The two ways to write cron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Five fields, weekdays 0-7 with Sunday at both ends.
    Unix,
    /// Six fields, weekdays 1-7 from Sunday, `?` in one of the day fields.
    Aws,
}

/// A field of a cron expression, for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CronField {
    Minutes,
    Hours,
    DayOfMonth,
    Month,
    DayOfWeek,
    /// AWS only.
    Year,
}

/// The years that AWS cron supports. Unix expressions are limited to the same span, so that a translation means the
/// same.
pub(super) const YEARS: (u16, u16) = (1970, 2199);

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One item of a list: the values from `first` to `last`, `step` apart. If `last` is before `first`, the span wraps
/// around the end of the field.
#[derive(Clone, Copy)]
struct Span {
    first: u16,
    last: u16,
    step: u16,
}

impl Span {
    /// The values in a field of `min..=max`, in the order in which they come.
    fn values(self, min: u16, max: u16) -> impl Iterator<Item = u16> {
        let around = max - min + 1;
        let last = if self.first <= self.last { self.last } else { self.last + around };
        (self.first..=last).step_by(usize::from(self.step)).map(move |value| min + (value - min) % around)
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::DayOfMonth => "day-of-month",
            Self::Month => "month",
            Self::DayOfWeek => "day-of-week",
            Self::Year => "year",
        })
    }
}

impl CronField {
    fn range(self, dialect: Dialect) -> (u16, u16) {
        match (self, dialect) {
            (Self::Minutes, _) => (0, 59),
            (Self::Hours, _) => (0, 23),
            (Self::DayOfMonth, _) => (1, 31),
            (Self::Month, _) => (1, 12),
            (Self::DayOfWeek, Dialect::Unix) => (0, 7),
            (Self::DayOfWeek, Dialect::Aws) => (1, 7),
            (Self::Year, _) => YEARS,
        }
    }

    pub(super) fn allowed(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Minutes, _) => "0-59, `*`, lists `0,30`, ranges `0-29`, steps `*/15`",
            (Self::Hours, _) => "0-23, `*`, lists `6,18`, ranges `8-17`, steps `*/6`",
            (Self::DayOfMonth, Dialect::Unix) => "1-31, `*`, lists `1,15`, ranges `1-7`, steps `*/10`",
            (Self::DayOfMonth, Dialect::Aws) => {
                "1-31, `*`, `?`, lists `1,15`, ranges `1-7`, steps `1/10`, or one of `L`, `LW`, `15W` alone"
            }
            (Self::Month, _) => "1-12 or JAN-DEC, `*`, lists `JAN,JUL`, ranges `3-5`, steps `*/3`",
            (Self::DayOfWeek, Dialect::Unix) => {
                "0-7 or SUN-SAT (0 and 7 are Sunday), `*`, lists `MON,FRI`, ranges `1-5`, steps `*/2`"
            }
            (Self::DayOfWeek, Dialect::Aws) => {
                "1-7 or SUN-SAT (1 is Sunday), `*`, `?`, lists `MON,FRI`, ranges `2-6`, or one of `L`, `6L`, `6#3` alone"
            }
            (Self::Year, _) => "1970-2199, `*`, lists `2026,2028`, ranges `2026-2030`, steps `2026/2`",
        }
    }

    /// Reads a list of values, ranges and steps. Weekdays come back as 0-6 from Sunday in both dialects.
    pub(super) fn parse_list(self, text: &str, dialect: Dialect) -> Result<Set, String> {
        let (min, max) = self.range(dialect);
        let mut set = Set::empty(min, max);
        for item in text.split(',') {
            self.parse_item(item, dialect)?.values(min, max).for_each(|value| set.insert(value));
        }
        Ok(if self == Self::DayOfWeek { from_sunday(set, dialect) } else { set })
    }

    fn parse_item(self, item: &str, dialect: Dialect) -> Result<Span, String> {
        let (min, max) = self.range(dialect);
        let (base, step) = match item.split_once('/') {
            None => (item, None),
            Some(_) if self == Self::DayOfWeek && dialect == Dialect::Aws => {
                return Err("AWS cron has no steps on weekdays; list the days".into());
            }
            Some((base, step)) => (base, Some(self.parse_step(step, dialect)?)),
        };
        if base == "*" {
            return Ok(Span { first: min, last: max, step: step.unwrap_or(1) });
        }
        if let Some((first, last)) = base.split_once('-') {
            let (first, last) = (self.parse_value(first, dialect)?, self.parse_value(last, dialect)?);
            let span = Span { first, last, step: step.unwrap_or(1) };
            return if first <= last { Ok(span) } else { self.backwards(base, span, dialect) };
        }
        let value = self.parse_value(base, dialect)?;
        match (step, dialect) {
            (None, _) => Ok(Span { first: value, last: value, step: 1 }),
            (Some(step), Dialect::Aws) => Ok(Span { first: value, last: max, step }),
            // Crons disagree whether this means the one value or "from there on".
            (Some(step), Dialect::Unix) => Err(format!("a step needs a range; write `{base}-{max}/{step}`")),
        }
    }

    /// A range that ends before it starts. On AWS it wraps around, as in AWS's own example `0/30 20-2 ? * MON-FRI *`,
    /// which runs from 00:00 to 02:30 and from 20:00 on, on each of these days (Amazon EventBridge User Guide, "Cron
    /// expressions reference", examples). Years do not wrap around. How a step continues across the end is documented
    /// nowhere, and programs disagree; and most Unix crons refuse such a range. In these cases the error says how to
    /// write it in two parts.
    fn backwards(self, base: &str, span: Span, dialect: Dialect) -> Result<Span, String> {
        if self == Self::Year {
            return Err(format!("`{base}` runs backwards, and years do not wrap around"));
        }
        if dialect == Dialect::Aws && span.step == 1 {
            return Ok(span);
        }
        // Sunday counts once.
        let (min, max) = if self == Self::DayOfWeek { (0, 6) } else { self.range(dialect) };
        let mut parts = Vec::new();
        for value in span.values(min, max) {
            match parts.last_mut() {
                Some((_, last)) if *last < value => *last = value,
                _ => parts.push((value, value)),
            }
        }
        let parts = parts.into_iter().map(|(first, last)| match span.step {
            _ if first == last => first.to_string(),
            1 => format!("{first}-{last}"),
            step => format!("{first}-{last}/{step}"),
        });
        let parts = parts.collect::<Vec<_>>().join(",");
        Err(match dialect {
            Dialect::Aws => {
                format!("`{base}` wraps around, and a step may continue or start anew there; write `{parts}`")
            }
            Dialect::Unix => format!("`{base}` runs backwards; write `{parts}`"),
        })
    }

    fn parse_step(self, text: &str, dialect: Dialect) -> Result<u16, String> {
        let (min, max) = self.range(dialect);
        // Sunday counts once.
        let count = if self == Self::DayOfWeek { 7 } else { max - min + 1 };
        match number(text) {
            // A longer step would silently fire once per round: `*/90` is every hour, not every 90 minutes.
            Some(step) if (1..=count).contains(&step) => Ok(step),
            _ => Err(format!("step `{text}` is not a number from 1 to {count}")),
        }
    }

    /// Reads one number or name, in the dialect's own numbering.
    pub(super) fn parse_value(self, text: &str, dialect: Dialect) -> Result<u16, String> {
        let (min, max) = self.range(dialect);
        let named = match self {
            Self::Month => position(&MONTHS, text).map(|at| at + 1),
            Self::DayOfWeek => position(&WEEKDAYS, text).map(|at| at + min),
            _ => None,
        };
        match named.or_else(|| number(text)) {
            Some(value) if (min..=max).contains(&value) => Ok(value),
            Some(value) => Err(format!("{value} is not from {min} to {max}")),
            None if text.is_empty() => Err("a value is missing".into()),
            None => Err(format!("`{text}` is not understood here")),
        }
    }
}

/// Digits only: `str::parse` alone would let `+5` pass.
pub(super) fn number(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn position(names: &[&str], text: &str) -> Option<u16> {
    let at = names.iter().position(|name| name.eq_ignore_ascii_case(text))?;
    u16::try_from(at).ok()
}

fn from_sunday(set: Set, dialect: Dialect) -> Set {
    let mut days = Set::empty(0, 6);
    for value in set.iter() {
        days.insert(match dialect {
            Dialect::Unix => value % 7,
            Dialect::Aws => value - 1,
        });
    }
    days
}
