//! From text to a [`Cron`].

use super::days::Days;
use super::field::{CronField, Dialect, YEARS, number};
use super::set::Set;
use super::{Cron, CronError};

/// The longest expression that is read, in characters. It is also the longest that EventBridge takes
/// (API references of PutRule and of CreateSchedule, `ScheduleExpression`).
pub(super) const MAX_LENGTH: usize = 256;

/// The five fields of each macro.
const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

pub(super) fn parse(text: &str) -> Result<Cron, CronError> {
    let source = text.trim();
    let length = source.chars().count();
    if length > MAX_LENGTH {
        return Err(CronError::TooLong { length });
    }
    let parser = Parser { source };
    let fields = parser.fields()?;
    let cron = match fields[..] {
        [minutes, hours, of_month, month, of_week] if !source.starts_with("cron(") => {
            parser.unix(minutes, hours, of_month, month, of_week)?
        }
        [minutes, hours, of_month, month, of_week, year] => {
            parser.aws([minutes, hours, of_month, month, of_week, year])?
        }
        _ => return Err(CronError::FieldCount { expression: source.into(), found: fields.len() }),
    };
    if cron.ever_fires() { Ok(cron) } else { Err(CronError::NeverFires { expression: source.into() }) }
}

/// The five fields that a Unix text (a macro or fields) stands for, with single spaces.
pub(super) fn plain_unix(source: &str) -> String {
    let expanded = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(source)).map(|(_, fields)| *fields);
    expanded.unwrap_or(source).split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase()
}

struct Parser<'a> {
    source: &'a str,
}

impl<'a> Parser<'a> {
    fn fields(&self) -> Result<Vec<&'a str>, CronError> {
        if self.source.starts_with('@') {
            return MACROS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(self.source))
                .map(|(_, fields)| fields.split_whitespace().collect())
                .ok_or_else(|| CronError::Macro { expression: self.source.into() });
        }
        let inner = match self.source.strip_prefix("cron(") {
            None => self.source,
            Some(rest) => rest
                .strip_suffix(')')
                .ok_or_else(|| CronError::Unclosed { expression: self.source.into() })?,
        };
        Ok(inner.split_whitespace().collect())
    }

    fn unix(&self, minutes: &str, hours: &str, of_month: &str, month: &str, of_week: &str) -> Result<Cron, CronError> {
        let list = |field, text| self.list(field, text, Dialect::Unix);
        let months = list(CronField::Month, month)?;
        // Vixie cron looks at the first character only: `*/2` counts as a star.
        let star = of_month.starts_with('*') || of_week.starts_with('*');
        Ok(Cron {
            source: self.source.into(),
            dialect: Dialect::Unix,
            minutes: list(CronField::Minutes, minutes)?,
            hours: list(CronField::Hours, hours)?,
            days: Days::unix(
                list(CronField::DayOfMonth, of_month)?,
                list(CronField::DayOfWeek, of_week)?,
                star,
                months,
            ),
            months,
            years: Set::full(YEARS.0, YEARS.1),
        })
    }

    fn aws(&self, [minutes, hours, of_month, month, of_week, year]: [&str; 6]) -> Result<Cron, CronError> {
        let list = |field, text| self.list(field, text, Dialect::Aws);
        let days = match (of_month, of_week) {
            ("?", "?") => return Err(CronError::QuestionMark { expression: self.source.into(), found: "both" }),
            (of_month, "?") => self.aws_of_month(of_month)?,
            ("?", of_week) => self.aws_of_week(of_week)?,
            _ => return Err(CronError::QuestionMark { expression: self.source.into(), found: "neither" }),
        };
        Ok(Cron {
            source: self.source.into(),
            dialect: Dialect::Aws,
            minutes: list(CronField::Minutes, minutes)?,
            hours: list(CronField::Hours, hours)?,
            days,
            months: list(CronField::Month, month)?,
            years: list(CronField::Year, year)?,
        })
    }

    fn aws_of_month(&self, text: &str) -> Result<Days, CronError> {
        let field = CronField::DayOfMonth;
        let upper = text.to_ascii_uppercase();
        match upper.as_str() {
            "L" => return Ok(Days::Last),
            "LW" => return Ok(Days::LastWorkday),
            _ => {}
        }
        if let Some(day) = upper.strip_suffix('W') {
            return match number(day) {
                Some(day @ 1..=31) => Ok(Days::NearestWorkday(day)),
                _ => Err(self.error(field, text, "`W` follows one date from 1 to 31 or `L`".into(), Dialect::Aws)),
            };
        }
        self.list(field, text, Dialect::Aws).map(Days::OfMonth)
    }

    fn aws_of_week(&self, text: &str) -> Result<Days, CronError> {
        let field = CronField::DayOfWeek;
        let wrong = |problem| self.error(field, text, problem, Dialect::Aws);
        let weekday = |name| field.parse_value(name, Dialect::Aws).map(|day| day - 1).map_err(wrong);
        let upper = text.to_ascii_uppercase();
        if upper == "L" {
            let mut saturday = Set::empty(0, 6);
            saturday.insert(6);
            return Ok(Days::OfWeek(saturday));
        }
        if let Some((day, nth)) = upper.split_once('#') {
            return match number(nth) {
                Some(nth @ 1..=5) => Ok(Days::Nth(weekday(day)?, nth)),
                _ => Err(wrong("`#` stands between one weekday and a number from 1 to 5".into())),
            };
        }
        if let Some(day) = upper.strip_suffix('L') {
            return Ok(Days::LastOf(weekday(day)?));
        }
        let weekdays = self.list(field, text, Dialect::Aws)?;
        Ok(if weekdays.is_full() { Days::every() } else { Days::OfWeek(weekdays) })
    }

    fn list(&self, field: CronField, text: &str, dialect: Dialect) -> Result<Set, CronError> {
        field.parse_list(text, dialect).map_err(|problem| self.error(field, text, problem, dialect))
    }

    fn error(&self, field: CronField, text: &str, problem: String, dialect: Dialect) -> CronError {
        CronError::Field {
            expression: self.source.into(),
            field,
            text: text.into(),
            problem,
            allowed: field.allowed(dialect),
        }
    }
}
