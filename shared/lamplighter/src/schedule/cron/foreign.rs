//! Expressions of other cron programs, and their supported equivalents.

use std::time::Duration;

use super::CronError;
use super::field::{CronField, Dialect, WEEKDAYS};
use super::parse::read;
use crate::schedule::Rate;

/// The error for a text in another program's form: a time zone in front, `CRON(…)`, `@every 5m`.
pub(super) fn form(source: &str) -> Option<CronError> {
    let foreign = |problem: &str, instead: Option<String>| {
        Some(CronError::Foreign { expression: source.into(), problem: problem.into(), instead })
    };
    if let Some(rest) = source.strip_prefix("CRON_TZ=").or_else(|| source.strip_prefix("TZ=")) {
        let (zone, expression) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let zone = zone.trim_matches(['"', '\'']);
        let problem = format!(
            "a time zone is not part of the expression: use `.zone({zone:?})`, or `--zone {zone}` at the command line"
        );
        let expression = Some(expression.trim()).filter(|expression| !expression.is_empty());
        return foreign(&problem, expression.map(Into::into));
    }
    for word in ["cron", "rate", "at"] {
        // `get` and not an index: the text may hold anything.
        let rest =
            source.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| &source[word.len()..]);
        let Some(inside) = rest.map(str::trim_start).filter(|rest| rest.starts_with('(')) else { continue };
        let instead = format!("{word}{inside}");
        if instead != source {
            return foreign(&format!("`{word}(` is written in lower-case letters and without a space"), Some(instead));
        }
        let inside = inside.trim_start_matches('(').trim_end_matches(')').trim();
        if inside.starts_with('@') {
            return foreign("a macro is written without `cron(…)`", Some(inside.into()));
        }
    }
    let every = source.strip_prefix("@every").filter(|rest| rest.starts_with(char::is_whitespace))?;
    let rate = duration(every.trim()).and_then(|every| Rate::every(every).ok()).map(|rate| rate.to_string());
    foreign("a fixed interval is a rate", Some(rate.unwrap_or_else(|| "rate(5 minutes)".into())))
}

/// A length of time as Go writes it: `90s`, `1h30m`.
fn duration(text: &str) -> Option<Duration> {
    let (mut rest, mut seconds) = (text, 0u64);
    while !rest.is_empty() {
        let (count, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let each = match unit.chars().next()? {
            'h' => 3600,
            'm' if !unit.starts_with("ms") => 60,
            's' => 1,
            _ => return None,
        };
        seconds = count.parse::<u64>().ok()?.checked_mul(each)?.checked_add(seconds)?;
        rest = &unit[1..];
    }
    Some(Duration::from_secs(seconds))
}

/// The error, with the supported form if the fields can be recognized as another cron's.
pub(super) fn explained(fields: &[&str], error: CronError) -> CronError {
    match (error, fields) {
        (error, [seconds, rest @ ..]) if matches!(rest.len(), 5 | 6) => with_seconds(seconds, rest, error),
        (
            CronError::Field { expression, field, text, problem, allowed },
            [minutes, hours, of_month, month, of_week],
        ) => {
            let days = match field {
                CronField::DayOfMonth if ["*", "?"].contains(of_week) => Some(((*of_month).to_owned(), "?".to_owned())),
                CronField::DayOfWeek if ["*", "?"].contains(of_month) => {
                    named(of_week).map(|day| ("?".to_owned(), day))
                }
                _ => None,
            };
            let instead = if text == "?" {
                let stars =
                    [minutes, hours, of_month, month, of_week].map(|text| if *text == "?" { "*" } else { text });
                read(&stars.join(" ")).ok().map(|cron| cron.to_string())
            } else if text.contains('#') || text.ends_with(['L', 'l', 'W', 'w']) {
                days.and_then(|(of_month, of_week)| {
                    read(&format!("{minutes} {hours} {of_month} {month} {of_week} *")).ok()?.to_aws().ok()
                })
            } else {
                return CronError::Field { expression, field, text, problem, allowed };
            };
            let problem = match instead {
                Some(instead) => format!("`{text}` is read in AWS's six fields only; write `{instead}`"),
                None => format!("`{text}` is read in AWS's six fields only"),
            };
            CronError::Field { expression, field, text, problem, allowed }
        }
        (error, _) => error,
    }
}

/// `5L` and `1#2` with the day's name, since its number differs in six fields.
fn named(of_week: &str) -> Option<String> {
    let (day, rest) = of_week.split_at(of_week.find(['#', 'L', 'l'])?);
    let day = CronField::DayOfWeek.parse_value(day, Dialect::Unix).ok()?;
    Some(format!("{}{rest}", WEEKDAYS[usize::from(day % 7)]))
}

/// Fields that may begin with seconds. With a `?` the rest is Quartz, which is AWS cron with an optional year; without
/// one it is Unix.
fn with_seconds(seconds: &str, rest: &[&str], error: CronError) -> CronError {
    let Ok(values) = CronField::Minutes.parse_list(seconds, Dialect::Unix) else { return error };
    let quartz = rest.contains(&"?");
    let instead = match rest {
        [minutes, hours, of_month, month, "*", year] if !quartz => {
            format!("{minutes} {hours} {of_month} {month} ? {year}")
        }
        [_, _, _, _, _] if quartz => format!("{} *", rest.join(" ")),
        _ => rest.join(" "),
    };
    if read(&instead).is_err() {
        return error;
    }
    let pace = match values.iter().count() {
        1 => "",
        _ => "; a minute is the shortest step of cron, and `rate(10 seconds)` goes below it",
    };
    match error {
        CronError::QuestionMark { expression, found, .. } if !quartz => CronError::QuestionMark {
            expression,
            found,
            hint: format!(
                ". If the first counts seconds: there is no seconds field, drop it and write `{instead}`{pace}"
            ),
        },
        CronError::QuestionMark { expression, .. }
        | CronError::Field { expression, .. }
        | CronError::FieldCount { expression, .. } => CronError::Foreign {
            expression,
            problem: format!("there is no seconds field, drop the first{pace}"),
            instead: Some(instead),
        },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cron;

    fn refused(text: &str) -> String {
        Cron::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn seconds_fields_are_named_and_the_rest_suggested() {
        for (text, instead) in [
            ("0 0 12 * * ?", "`0 12 * * ? *`"),
            ("0 0 12 ? * MON-FRI", "`0 12 ? * MON-FRI *`"),
            ("0 0/5 14,18 * * ?", "`0/5 14,18 * * ? *`"),
            ("0 15 10 ? * 6L", "`15 10 ? * 6L *`"),
            ("0 15 10 ? * 6L 2026-2030", "`15 10 ? * 6L 2026-2030`"),
            ("0 15 10 * * ? 2026", "`15 10 * * ? 2026`"),
            ("* * * * * * *", "`* * * * ? *`"),
        ] {
            let error = refused(text);
            assert!(error.contains("there is no seconds field, drop the first") && error.contains(instead), "{error}");
        }
        // Without a `?` it may be either: the error names both.
        for (text, instead) in [("0 */5 * * * *", "`*/5 * * * *`"), ("30 0 6 * * 1-5", "`0 6 * * 1-5`")] {
            let error = refused(text);
            assert!(error.contains("no seconds field") && error.contains("`?`") && error.contains(instead), "{error}");
        }
        assert!(refused("*/10 * * * * *").contains("`rate(10 seconds)`"));
    }

    #[test]
    fn suggested_expressions_parse() {
        for text in [
            "0 0 12 * * ?",
            "*/10 * * * * *",
            "TZ=Europe/Berlin 0 6 * * *",
            "CRON(0 6 * * ? *)",
            "0 0 L * *",
            "0 9 * * 5L",
            "0 9 * * mon#2",
            "0 9 15W 6 ?",
            "0 9 ? * 1",
            "0 9 * * ?",
            "0 22-2 * * *",
            "* * * * FRI-MON",
        ] {
            let error = refused(text);
            let instead = error.rsplit("write `").next().and_then(|rest| rest.split('`').next()).unwrap();
            let instead =
                if error.contains("runs backwards") { text.replace(text_of(text), instead) } else { instead.into() };
            assert!(Cron::parse(&instead).is_ok(), "{error}");
        }
    }

    /// The field that runs backwards.
    fn text_of(text: &str) -> &str {
        text.split(' ').find(|field| field.contains('-')).unwrap()
    }

    #[test]
    fn foreign_forms_suggest_the_supported_one() {
        for (text, says) in [
            ("TZ=Europe/Berlin 0 6 * * *", "write `0 6 * * *`"),
            ("CRON_TZ=\"Asia/Tokyo\" @daily", ".zone(\"Asia/Tokyo\")"),
            ("CRON_TZ=Asia/Tokyo", "--zone Asia/Tokyo"),
            ("CRON(0 6 * * ? *)", "write `cron(0 6 * * ? *)`"),
            ("cron (0 6 * * ? *)", "write `cron(0 6 * * ? *)`"),
            ("cron(@daily)", "write `@daily`"),
            ("Rate(5 minutes)", "write `rate(5 minutes)`"),
            ("AT(2027-01-01T00:00:00Z)", "write `at(2027-01-01T00:00:00Z)`"),
            ("@every 5m", "write `rate(5 minutes)`"),
            ("@every 1h30m", "write `rate(90 minutes)`"),
            ("@every 90s", "write `rate(90 seconds)`"),
            ("@every 500ms", "is a rate"),
            ("0 0 L * *", "write `cron(0 0 L * ? *)`"),
            ("0 0 LW * *", "write `cron(0 0 LW * ? *)`"),
            ("0 0 15W * *", "write `cron(0 0 15W * ? *)`"),
            ("0 9 * * 5L", "write `cron(0 9 ? * 6L *)`"),
            ("0 9 * * 0#1", "write `cron(0 9 ? * 1#1 *)`"),
            ("0 9 * * FRI#3", "write `cron(0 9 ? * 6#3 *)`"),
            ("0 9 ? * 5", "write `0 9 * * 5`"),
            ("0 9 1 * 5L", "AWS's six fields only"),
            ("é", "1 fields"),
        ] {
            let error = refused(text);
            assert!(error.contains(says), "{error}");
        }
    }
}
