//! Exact translation between the dialects.

use super::days::{Days, longest_month};
use super::field::{CronField, Dialect, WEEKDAYS};
use super::parse::{MAX_LENGTH, fields, plain_unix};
use super::set::Set;
use super::{Cron, CronError};

impl Cron {
    /// The expression for AWS, as `cron(…)` with six fields, in a normal form: two expressions that fire at the same
    /// times through the same kind of day rule have the same text. Weekdays are written as names, since their numbers
    /// mean different days in the two dialects. If the normal form exceeds AWS's 256 characters, fields that are
    /// shorter as written, and mean the same on AWS, stay as written.
    ///
    /// # Errors
    ///
    /// [`CronError::NotAws`] when a Unix expression restricts the day of month *and* the day of week: AWS allows one
    /// of the two (Amazon EventBridge User Guide, "Cron expressions reference", restrictions). A run on either needs
    /// two schedules; the error names both expressions. For a run on both, only the n-th weekday of a month can be
    /// expressed, by `#`: `0 9 1-7 * */7` is the first Sunday. [`CronError::TooLong`] when the text still exceeds 256
    /// characters.
    ///
    /// ```
    /// use lamplighter::schedule::Cron;
    ///
    /// assert_eq!(Cron::parse("*/15 9 * * 1-5")?.to_aws()?, "cron(0/15 9 ? * MON-FRI *)");
    /// assert_eq!(Cron::parse("0 9 8-14 * */7")?.to_aws()?, "cron(0 9 ? * 1#2 *)");
    /// assert!(Cron::parse("0 9 13 * 5")?.to_aws().unwrap_err().to_string().contains("two schedules"));
    /// # Ok::<(), lamplighter::schedule::CronError>(())
    /// ```
    pub fn to_aws(&self) -> Result<String, CronError> {
        let minutes = numbers(self.rule.minutes, Dialect::Aws);
        let hours = numbers(self.rule.hours, Dialect::Aws);
        let months = numbers(self.rule.months, Dialect::Aws);
        let years = numbers(self.rule.years, Dialect::Aws);
        let (of_month, of_week) = match self.rule.days {
            Days::OfMonth(dates) => (numbers(dates, Dialect::Aws), "?".into()),
            Days::OfWeek(weekdays) => ("?".into(), aws_weekdays(weekdays)),
            Days::Last => ("L".into(), "?".into()),
            Days::LastWorkday => ("LW".into(), "?".into()),
            Days::NearestWorkday(day) => (format!("{day}W"), "?".into()),
            Days::LastOf(weekday) => ("?".into(), format!("{}L", weekday + 1)),
            Days::Nth(weekday, nth) => ("?".into(), format!("{}#{nth}", weekday + 1)),
            Days::Either(dates, weekdays) => {
                let (dates, weekdays) = (numbers(dates, Dialect::Unix), unix_weekdays(weekdays));
                let (minutes, hours) =
                    (numbers(self.rule.minutes, Dialect::Unix), numbers(self.rule.hours, Dialect::Unix));
                let months = numbers(self.rule.months, Dialect::Unix);
                return Err(CronError::NotAws {
                    expression: self.source.clone(),
                    how: "either",
                    repair: format!(
                        "Make two schedules, `{minutes} {hours} {dates} {months} *` and `{minutes} {hours} * {months} \
                         {weekdays}`; on a day that fits both, both run"
                    ),
                });
            }
            Days::Both(dates, weekdays) => match nth(dates, weekdays, self.rule.months) {
                Some((weekday, nth)) => ("?".into(), format!("{}#{nth}", weekday + 1)),
                None => {
                    return Err(CronError::NotAws {
                        expression: self.source.clone(),
                        how: "both",
                        repair: "Restrict one of the two here and test the other in the job".into(),
                    });
                }
            },
        };
        let normal = [minutes, hours, of_month, months, of_week, years];
        let text = format!("cron({})", normal.join(" "));
        let text = if text.len() > MAX_LENGTH { format!("cron({})", self.shortest(normal).join(" ")) } else { text };
        if text.len() > MAX_LENGTH { Err(CronError::TooLong { length: text.len() }) } else { Ok(text) }
    }

    /// The normal form of each field, or its own text if that is shorter and means the same on AWS.
    fn shortest(&self, normal: [String; 6]) -> [String; 6] {
        use CronField::{DayOfMonth, Hours, Minutes, Month, Year};
        let own = fields(&self.source);
        let mut shortest = normal;
        // Weekdays are short, and their numbers differ.
        for (at, field) in [(0, Minutes), (1, Hours), (2, DayOfMonth), (3, Month), (5, Year)] {
            let Some(own) = own.get(at).filter(|own| own.len() < shortest[at].len()) else { continue };
            let read = |text: &str| field.parse_list(text, Dialect::Aws).ok();
            if read(own).is_some_and(|set| read(&shortest[at]) == Some(set)) {
                shortest[at] = (*own).to_owned();
            }
        }
        shortest
    }

    /// The expression in five fields, for a Unix crontab. A Unix expression is returned with its macro spelled out.
    ///
    /// # Errors
    ///
    /// [`CronError::NotUnix`] when an AWS expression uses `L`, `W`, `#` or is limited to certain years.
    pub fn to_unix(&self) -> Result<String, CronError> {
        if self.dialect == Dialect::Unix {
            return Ok(plain_unix(&self.source));
        }
        let cannot = |what| Err(CronError::NotUnix { expression: self.source.clone(), what });
        if !self.rule.years.is_full() {
            return cannot("a limit to certain years");
        }
        let (of_month, of_week) = match self.rule.days {
            Days::OfMonth(dates) => (numbers(dates, Dialect::Unix), "*".into()),
            Days::OfWeek(weekdays) => ("*".into(), unix_weekdays(weekdays)),
            Days::Last => return cannot("the last day of the month (`L`)"),
            Days::LastWorkday => return cannot("the last workday of the month (`LW`)"),
            Days::NearestWorkday(_) => return cannot("the nearest workday (`W`)"),
            Days::LastOf(_) => return cannot("the last such weekday of the month (`L`)"),
            Days::Nth(..) => return cannot("the n-th such weekday of the month (`#`)"),
            Days::Either(..) | Days::Both(..) => return cannot("these days"),
        };
        let minutes = numbers(self.rule.minutes, Dialect::Unix);
        let hours = numbers(self.rule.hours, Dialect::Unix);
        let months = numbers(self.rule.months, Dialect::Unix);
        Ok(format!("{minutes} {hours} {of_month} {months} {of_week}"))
    }
}

/// The n-th such weekday of a month, if dates and weekdays together select exactly that. Only dates that can occur in
/// these months count.
fn nth(dates: Set, weekdays: Set, months: Set) -> Option<(u16, u16)> {
    let mut days = weekdays.iter();
    let (Some(weekday), None) = (days.next(), days.next()) else { return None };
    let longest = months.iter().map(longest_month).max()?;
    let week = |nth: u16| 7 * nth - 6..=7 * nth;
    let fits = |nth: &u16| (1..=longest).all(|date| dates.contains(date) == week(*nth).contains(&date));
    (1..=5).find(fits).map(|nth| (weekday, nth))
}

/// A set of numbers as a field: `*`, a step that reaches the field's end, or a list of values and ranges.
pub(super) fn numbers(set: Set, dialect: Dialect) -> String {
    if set.is_full() {
        return "*".into();
    }
    let values: Vec<u16> = set.iter().collect();
    if let Some(step) = step_to_end(&values, set.max()) {
        let first = values[0];
        return match dialect {
            Dialect::Aws => format!("{first}/{step}"),
            Dialect::Unix if first == set.min() => format!("*/{step}"),
            Dialect::Unix => format!("{first}-{}/{step}", set.max()),
        };
    }
    list(&values, |value| value.to_string())
}

fn aws_weekdays(set: Set) -> String {
    list(&set.iter().collect::<Vec<_>>(), |day| WEEKDAYS[usize::from(day)].to_owned())
}

/// Numbers, since older crons do not accept names in lists.
pub(super) fn unix_weekdays(set: Set) -> String {
    list(&set.iter().collect::<Vec<_>>(), |day| day.to_string())
}

/// The step, if the values are evenly spaced by two or more and one step further would leave the field.
fn step_to_end(values: &[u16], max: u16) -> Option<u16> {
    let [first, second, .., last] = *values else {
        return None;
    };
    let step = second - first;
    let even = values.windows(2).all(|pair| pair[1] - pair[0] == step);
    (step > 1 && even && values.len() > 2 && last + step > max).then_some(step)
}

fn list(values: &[u16], name: impl Fn(u16) -> String) -> String {
    values
        .chunk_by(|a, b| a + 1 == *b)
        .flat_map(|run| match run {
            [first, _, .., last] if run.len() > 2 => {
                vec![format!("{}-{}", name(*first), name(*last))]
            }
            _ => run.iter().map(|value| name(*value)).collect(),
        })
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(text: &str) -> String {
        Cron::parse(text).unwrap().to_aws().unwrap()
    }

    fn unix(text: &str) -> String {
        Cron::parse(text).unwrap().to_unix().unwrap()
    }

    #[test]
    fn unix_to_aws() {
        assert_eq!(aws("* * * * *"), "cron(* * * * ? *)");
        assert_eq!(aws("@hourly"), "cron(0 * * * ? *)");
        assert_eq!(aws("@weekly"), "cron(0 0 ? * SUN *)");
        assert_eq!(aws("@yearly"), "cron(0 0 1 1 ? *)");
        assert_eq!(aws("*/15 9-17 * * 1-5"), "cron(0/15 9-17 ? * MON-FRI *)");
        assert_eq!(aws("0 0 * * 7"), "cron(0 0 ? * SUN *)");
        assert_eq!(aws("0 0 * * 5-7"), "cron(0 0 ? * SUN,FRI,SAT *)");
        assert_eq!(aws("0 0 * * */2"), "cron(0 0 ? * SUN,TUE,THU,SAT *)");
        assert_eq!(aws("0 0 * * 1-5/2"), "cron(0 0 ? * MON,WED,FRI *)");
        assert_eq!(aws("0 0 */2 * *"), "cron(0 0 1/2 * ? *)");
        assert_eq!(aws("0,30 0 1,15 JAN,jul *"), "cron(0,30 0 1,15 1,7 ? *)");
        assert_eq!(aws("5-20/5 0 * * *"), "cron(5,10,15,20 0 * * ? *)");
        // Evenly spaced, but one step further would add the field's last value.
        assert_eq!(aws("0 2,9,16 * * *"), "cron(0 2,9,16 * * ? *)");
        assert_eq!(aws("0 3,10,17 * * *"), "cron(0 3/7 * * ? *)");
    }

    #[test]
    fn days_that_restrict_nothing_translate() {
        // Without a leading star one day field that always fits makes every day fit.
        assert_eq!(aws("0 0 1-31 * 1"), "cron(0 0 * * ? *)");
        assert_eq!(aws("0 0 13 * 0-6"), "cron(0 0 * * ? *)");
        assert_eq!(aws("0 0 */1 * 1"), "cron(0 0 ? * MON *)");
    }

    #[test]
    fn both_day_fields_are_refused_with_a_repair() {
        let error = Cron::parse("0 9 13 * 5").unwrap().to_aws().unwrap_err().to_string();
        assert!(error.contains("either") && error.contains("`0 9 13 * *` and `0 9 * * 5`"), "{error}");
        let error = Cron::parse("0 9 */2 * 1").unwrap().to_aws().unwrap_err().to_string();
        assert!(error.contains("both"), "{error}");
    }

    #[test]
    fn aws_normal_form() {
        assert_eq!(aws(" cron(0/5  8 ? JAN-MAR 2-6 2026-2028) "), "cron(0/5 8 ? 1-3 MON-FRI 2026-2028)");
        assert_eq!(aws("0 0 ? * L *"), "cron(0 0 ? * SAT *)");
        assert_eq!(aws("0 0 ? * FRIL *"), "cron(0 0 ? * 6L *)");
        assert_eq!(aws("0 0 ? * fri#3 *"), "cron(0 0 ? * 6#3 *)");
        assert_eq!(aws("0 0 lw * ? *"), "cron(0 0 LW * ? *)");
        assert_eq!(aws("0 0 15W * ? 2026/2"), "cron(0 0 15W * ? 2026/2)");
        assert_eq!(aws("0 0 ? * * *"), "cron(0 0 * * ? *)");
    }

    #[test]
    fn aws_to_unix() {
        assert_eq!(unix("cron(0/15 8 ? * MON-FRI *)"), "*/15 8 * * 1-5");
        assert_eq!(unix("cron(5/15 8 1/2 * ? *)"), "5-59/15 8 */2 * *");
        assert_eq!(unix("cron(0 0 ? * 1,7 *)"), "0 0 * * 0,6");
        assert_eq!(unix("@daily"), "0 0 * * *");
        assert_eq!(unix("0  9 13 * fri"), "0 9 13 * FRI");
        for text in ["0 0 L * ? *", "0 0 LW * ? *", "0 0 3W * ? *", "0 0 ? * 6L *", "0 0 ? * 6#3 *", "0 0 1 1 ? 2030"] {
            assert!(matches!(Cron::parse(text).unwrap().to_unix(), Err(CronError::NotUnix { .. })), "{text}");
        }
    }

    #[test]
    fn the_nth_weekday_translates_exactly() {
        for (text, same) in [
            ("0 9 1-7 * */7", "cron(0 9 ? * 1#1 *)"),
            ("0 9 15-21 * */7", "cron(0 9 ? * 1#3 *)"),
            ("0 9 29-31 * */7", "cron(0 9 ? * 1#5 *)"),
            // The 31st is no date of these months.
            ("0 9 29-30 4,6 */7", "cron(0 9 ? 4,6 1#5 *)"),
            ("0 9 */31,2-7 2 5", "cron(0 9 ? 2 6#1 *)"),
        ] {
            assert_eq!(aws(text), same);
        }
        for text in ["0 9 1-8 * */7", "0 9 2-8 * */7", "0 9 1-7 * */3", "0 9 29-30 * */7", "0 9 1-7,15-21 * */7"] {
            assert!(matches!(Cron::parse(text).unwrap().to_aws(), Err(CronError::NotAws { .. })), "{text}");
        }
    }

    #[test]
    fn long_fields_stay_as_written() {
        for (text, same) in [
            ("0 0 1 1 ? 1970-2199/3,1971", "cron(0 0 1 1 ? 1970-2199/3,1971)"),
            ("cron( 0  0 ? jan 2-6 1970-2199/3,1971)", "cron(0 0 ? 1 MON-FRI 1970-2199/3,1971)"),
        ] {
            assert_eq!(aws(text), same);
            assert_eq!(aws(&aws(text)), same);
        }
        // Within the limit, the normal form stays.
        assert_eq!(aws("0 0 1 1 ? 2026-2032/3,2030"), "cron(0 0 1 1 ? 2026,2029,2030,2032)");
        let odd = (0..60).step_by(2).map(|minute| minute.to_string()).collect::<Vec<_>>().join(",");
        let years = (1970..2070).step_by(2).map(|year| year.to_string()).collect::<Vec<_>>().join(",");
        let long = format!("{odd} 0 1 1 ? {}", &years[..160]);
        assert!(Cron::parse(&long).is_err() || aws(&long).len() <= MAX_LENGTH);
    }
}
