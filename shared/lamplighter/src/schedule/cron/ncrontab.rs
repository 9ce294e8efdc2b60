//! Translation to NCRONTAB, the notation of Azure's timers.

use super::days::Days;
use super::field::Dialect;
use super::set::Set;
use super::translate::{numbers, unix_weekdays};
use super::{Cron, CronError};

impl Cron {
    /// The expression in NCRONTAB, the notation of Azure Functions' timer triggers and of WebJobs: six fields, seconds
    /// first, weekdays 0-6 from Sunday. The two day fields combine by *and* (documentation of the library NCrontab, "Crontab
    /// Expression"; Azure Functions, "Timer trigger for Azure Functions", section "NCRONTAB expressions").
    ///
    /// # Errors
    ///
    /// [`CronError::NotNcrontab`] for a run on *either* of a date and a weekday, for `L` and `W`, and for a limit to certain
    /// years. `#` is expressed exactly: the third Friday is the Friday from the 15th to the 21st.
    ///
    /// ```
    /// use lamplighter::schedule::Cron;
    ///
    /// assert_eq!(Cron::parse("*/15 9 * * 1-5")?.to_ncrontab()?, "0 */15 9 * * 1-5");
    /// assert_eq!(Cron::parse("cron(0 9 ? * FRI#3 *)")?.to_ncrontab()?, "0 0 9 15-21 * 5");
    /// assert!(Cron::parse("0 9 13 * 5")?.to_ncrontab().unwrap_err().to_string().contains("two schedules"));
    /// # Ok::<(), lamplighter::schedule::CronError>(())
    /// ```
    pub fn to_ncrontab(&self) -> Result<String, CronError> {
        let field = |set: Set| numbers(set, Dialect::Unix);
        let (minutes, hours, months) = (field(self.rule.minutes), field(self.rule.hours), field(self.rule.months));
        let cannot =
            |what, repair: String| Err(CronError::NotNcrontab { expression: self.source.clone(), what, repair });
        let in_the_job = "Run it more often, and test the date in the job";
        if !self.rule.years.is_full() {
            return cannot("a limit to certain years", in_the_job.into());
        }
        let (dates, weekdays) = match self.rule.days {
            Days::OfMonth(dates) => (field(dates), "*".into()),
            Days::OfWeek(weekdays) => ("*".into(), unix_weekdays(weekdays)),
            Days::Both(dates, weekdays) => (field(dates), unix_weekdays(weekdays)),
            Days::Nth(weekday, nth) => {
                let first = 7 * nth - 6;
                (format!("{first}-{}", (first + 6).min(31)), weekday.to_string())
            }
            Days::Either(dates, weekdays) => {
                let (dates, weekdays) = (field(dates), unix_weekdays(weekdays));
                let repair = format!(
                    "Make two schedules, `{minutes} {hours} {dates} {months} *` and `{minutes} {hours} * {months} \
                     {weekdays}`; on a day that fits both, both run"
                );
                return cannot("a run on either of a date and a weekday", repair);
            }
            Days::Last => return cannot("the last day of the month (`L`)", in_the_job.into()),
            Days::LastWorkday => return cannot("the last workday of the month (`LW`)", in_the_job.into()),
            Days::NearestWorkday(_) => return cannot("the nearest workday (`W`)", in_the_job.into()),
            Days::LastOf(_) => return cannot("the last such weekday of the month (`L`)", in_the_job.into()),
        };
        Ok(format!("0 {minutes} {hours} {dates} {months} {weekdays}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(text: &str) -> Result<String, CronError> {
        Cron::parse(text).unwrap().to_ncrontab()
    }

    #[test]
    fn what_ncrontab_has_is_translated() {
        for (cron, ncrontab) in [
            ("* * * * *", "0 * * * * *"),
            ("@daily", "0 0 0 * * *"),
            ("@weekly", "0 0 0 * * 0"),
            ("0 0 * * 7", "0 0 0 * * 0"),
            ("*/15 8-17 * * MON-FRI", "0 */15 8-17 * * 1-5"),
            ("cron(5/15 8 1/2 JAN,JUL ? *)", "0 5-59/15 8 */2 1,7 *"),
            ("cron(0 10 ? * 1,7 *)", "0 0 10 * * 0,6"),
            // In Unix cron a star joins the two day fields by and, as here.
            ("0 9 */2 * 1", "0 0 9 */2 * 1"),
            ("0 9 1-7 * */7", "0 0 9 1-7 * 0"),
            ("cron(0 9 ? * 6#5 *)", "0 0 9 29-31 * 5"),
        ] {
            assert_eq!(translated(cron).unwrap(), ncrontab, "{cron}");
        }
    }

    #[test]
    fn what_it_has_not_is_refused_with_advice() {
        for (cron, says) in [
            ("0 9 13 * 5", "`0 9 13 * *` and `0 9 * * 5`"),
            ("0 9 L * ? *", "the last day"),
            ("0 9 LW * ? *", "the last workday"),
            ("0 9 15W * ? *", "the nearest workday"),
            ("0 9 ? * 6L *", "the last such weekday"),
            ("0 9 1 1 ? 2030", "certain years"),
        ] {
            let error = translated(cron).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(cron) && error.contains("NCRONTAB"), "{cron}: {error}");
        }
    }
}
