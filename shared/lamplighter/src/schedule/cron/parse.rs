//! From text to a [`Cron`].

use super::days::Days;
use super::field::{CronField, Dialect, YEARS, number};
use super::set::Set;
use super::{Cron, CronError, Rule, foreign};

/// The longest expression that is accepted, in characters. It is also the longest that EventBridge accepts (API
/// references of PutRule and of CreateSchedule, `ScheduleExpression`).
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
    read(source).map_err(|error| match (error, (Parser { source }).fields()) {
        (error @ (CronError::TooLong { .. } | CronError::NeverFires { .. }), _) => error,
        (error, fields) => foreign::form(source).unwrap_or_else(|| match fields {
            Ok(fields) => foreign::explained(&fields, error),
            Err(_) => error,
        }),
    })
}

/// Parses an expression in the forms of [`Cron`] only.
pub(super) fn read(source: &str) -> Result<Cron, CronError> {
    let length = source.chars().count();
    if length > MAX_LENGTH {
        return Err(CronError::TooLong { length });
    }
    let parser = Parser { source };
    let fields = parser.fields()?;
    let (dialect, rule) = match fields[..] {
        [minutes, hours, of_month, month, of_week] if !source.starts_with("cron(") => {
            (Dialect::Unix, parser.unix(minutes, hours, of_month, month, of_week)?)
        }
        [minutes, hours, of_month, month, of_week, year] => {
            (Dialect::Aws, parser.aws([minutes, hours, of_month, month, of_week, year])?)
        }
        _ => {
            return Err(CronError::FieldCount { expression: source.into(), found: fields.len() });
        }
    };
    if !rule.ever_fires() {
        return Err(CronError::NeverFires { expression: source.into() });
    }
    Ok(Cron { source: source.into(), dialect, rule: Box::new(rule) })
}

/// The five fields that a Unix text (a macro or fields) stands for, with single spaces.
pub(super) fn plain_unix(source: &str) -> String {
    let expanded = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(source)).map(|(_, fields)| *fields);
    expanded.unwrap_or(source).split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase()
}

/// The text of each field of an expression that is known to parse.
pub(super) fn fields(source: &str) -> Vec<&str> {
    Parser { source }.fields().unwrap_or_default()
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
            Some(rest) => {
                rest.strip_suffix(')').ok_or_else(|| CronError::Unclosed { expression: self.source.into() })?
            }
        };
        Ok(inner.split_whitespace().collect())
    }

    fn unix(&self, minutes: &str, hours: &str, of_month: &str, month: &str, of_week: &str) -> Result<Rule, CronError> {
        let list = |field, text| self.list(field, text, Dialect::Unix);
        let months = list(CronField::Month, month)?;
        // Vixie cron looks at the first character only: `*/2` counts as a star.
        let star = of_month.starts_with('*') || of_week.starts_with('*');
        Ok(Rule {
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

    fn aws(&self, [minutes, hours, of_month, month, of_week, year]: [&str; 6]) -> Result<Rule, CronError> {
        let list = |field, text| self.list(field, text, Dialect::Aws);
        let days = match (of_month, of_week) {
            ("?", "?") => {
                return Err(CronError::QuestionMark {
                    expression: self.source.into(),
                    found: "both",
                    hint: String::new(),
                });
            }
            (of_month, "?") => self.aws_of_month(of_month)?,
            ("?", of_week) => self.aws_of_week(of_week)?,
            _ => {
                return Err(CronError::QuestionMark {
                    expression: self.source.into(),
                    found: "neither",
                    hint: String::new(),
                });
            }
        };
        Ok(Rule {
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
                _ => Err(wrong("`#` goes between one weekday and a number from 1 to 5".into())),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The field, the problem and the allowed values of a field's error.
    fn refused(text: &str) -> (CronField, String) {
        match Cron::parse(text) {
            Err(CronError::Field { expression, field, problem, allowed, .. }) => {
                assert!(expression == text && !allowed.is_empty());
                (field, problem)
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn reads_what_both_dialects_allow() {
        for text in [
            "* * * * *",
            "*/15 0-6,12 1,15 jan-MAR MON-fri",
            "00 06 * * 0,7",
            "0 0 * * 0-7",
            "0 0 * * 5-7",
            "*/60 */24 * * *",
            "0 0 30 2 1",
            "@Daily",
            "  @midnight ",
            "\t0  6\t* * *\n",
            "cron(0 6 * * ? *)",
            "cron( 0/5 8-17/2 ? JAN-MAR,7 MON-FRI 2026-2030,2032 )",
            "0 0 L * ? *",
            "0 0 LW * ? *",
            "0 0 1w * ? *",
            "0 0 ? * L *",
            "0 0 ? * 6L *",
            "0 0 ? * FRI#5 *",
            "0 0 29 2 ? 2028",
            "0 0 1 1 ? 1970",
        ] {
            let cron = Cron::parse(text).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(cron.as_str(), text.trim());
        }
    }

    #[test]
    fn says_which_field_and_what_is_wrong() {
        use CronField::{DayOfMonth, DayOfWeek, Hours, Minutes, Month, Year};
        for (text, field, problem) in [
            ("60 * * * *", Minutes, "60 is not from 0 to 59"),
            ("99999 * * * *", Minutes, "`99999` is not understood"),
            ("+5 * * * *", Minutes, "`+5`"),
            ("-5 * * * *", Minutes, "missing"),
            ("1,,2 * * * *", Minutes, "missing"),
            ("*/0 * * * *", Minutes, "from 1 to 60"),
            ("*/90 * * * *", Minutes, "from 1 to 60"),
            ("5/10 * * * *", Minutes, "`5-59/10`"),
            ("*/5/5 * * * *", Minutes, "step `5/5`"),
            ("*-5 * * * *", Minutes, "`*`"),
            ("٣ * * * *", Minutes, "`٣`"),
            ("* 24 * * *", Hours, "24"),
            ("* 22-2 * * *", Hours, "write `22-23,0-2`"),
            ("* 22-4/2 * * *", Hours, "write `22,0-4/2`"),
            ("* 20-5/3 * * *", Hours, "write `20-23/3,2-5/3`"),
            ("* * 0 * *", DayOfMonth, "0 is not from 1 to 31"),
            ("* * L * *", DayOfMonth, "`L`"),
            ("* * ? * *", DayOfMonth, "`?`"),
            ("* * * 13 *", Month, "13"),
            ("* * * JANUARY *", Month, "`JANUARY`"),
            ("* * * * 8", DayOfWeek, "8 is not from 0 to 7"),
            ("* * * * FRI-SUN", DayOfWeek, "write `5-6,0`"),
            ("* * * * 7-2", DayOfWeek, "write `0-2`"),
            ("* * * nov-feb *", Month, "write `11-12,1-2`"),
            ("* * * * 1#2", DayOfWeek, "`1#2`"),
            ("0 0 ? * 0 *", DayOfWeek, "0 is not from 1 to 7"),
            ("0 0 ? * 2/2 *", DayOfWeek, "no steps"),
            ("0 0 ? * 6#6 *", DayOfWeek, "1 to 5"),
            ("0 0 ? * 3#1,6#3 *", DayOfWeek, "`#`"),
            ("0 0 ? * 2-6L *", DayOfWeek, "`2-6`"),
            ("0 0 L,15 * ? *", DayOfMonth, "`L`"),
            ("0 0 L-3 * ? *", DayOfMonth, "`L`"),
            ("0 0 1W,15W * ? *", DayOfMonth, "`W`"),
            ("0 0 32W * ? *", DayOfMonth, "`W`"),
            ("0 0 1 1 ? 1969", Year, "1969"),
            ("0 0 1 1 ? 2200", Year, "2200"),
            ("0 20-5/3 * * ? *", Hours, "write `20-23/3,2-5/3`"),
            ("0 0 30-4/3 * ? *", DayOfMonth, "write `30,2`"),
            ("0 0 1 1 ? 2030-2026", Year, "years do not wrap around"),
            ("? 0 1 1 ? *", Minutes, "`?`"),
        ] {
            let (found, why) = refused(text);
            assert_eq!(found, field, "{text}");
            assert!(why.contains(problem), "{text}: {why}");
        }
    }

    #[test]
    fn refuses_the_wrong_shape() {
        for text in ["", "*", "* * * *", "* * * * * * * *", "cron()", "cron(* * * * *)", "every day"] {
            assert!(matches!(Cron::parse(text), Err(CronError::FieldCount { .. })), "{text}");
        }
        for text in ["* * * * * *", "0 0 1 * 2 *", "0 0 ? * ? *"] {
            assert!(matches!(Cron::parse(text), Err(CronError::QuestionMark { .. })), "{text}");
        }
        for text in ["@reboot", "@", "@daily 5"] {
            assert!(matches!(Cron::parse(text), Err(CronError::Macro { .. })), "{text}");
        }
        assert!(matches!(Cron::parse("cron(0 6 * * ? *"), Err(CronError::Unclosed { .. })));
        let long = format!("{} * * * *", "0,".repeat(200));
        assert!(matches!(Cron::parse(&long), Err(CronError::TooLong { length: 408 })));
    }

    #[test]
    fn aws_ranges_wrap_around() {
        for (text, same) in [
            // Amazon EventBridge User Guide, "Cron expressions reference", the last of its examples.
            ("cron(0/30 20-2 ? * MON-FRI *)", "cron(0/30 0-2,20-23 ? * MON-FRI *)"),
            ("50-10 0 * * ? *", "0-10,50-59 0 * * ? *"),
            ("0 22-4/1,12 * * ? *", "0 0-4,12,22,23 * * ? *"),
            ("0 0 25-5 * ? *", "0 0 1-5,25-31 * ? *"),
            ("0 0 1 NOV-feb ? *", "0 0 1 1,2,11,12 ? *"),
            ("0 0 ? * FRI-MON *", "0 0 ? * 1,2,6,7 *"),
            ("0 0 ? * 7-1 *", "0 0 ? * SUN,SAT *"),
            ("0 1-0 * * ? *", "0 * * * ? *"),
        ] {
            let (cron, same) = (Cron::parse(text).unwrap(), Cron::parse(same).unwrap());
            assert_eq!(cron.to_aws(), same.to_aws(), "{text}");
        }
    }

    #[test]
    fn expressions_that_never_fire_are_refused() {
        for text in [
            "0 0 30 2 *",
            "0 0 31 2,4,6,9,11 *",
            "0 0 29 2 ? 2027",
            "0 0 29 2 ? 2100",
            "0 0 31W 6 ? *",
            "0 0 ? 2 1#5 2026",
        ] {
            assert!(matches!(Cron::parse(text), Err(CronError::NeverFires { .. })), "{text}");
        }
    }
}
