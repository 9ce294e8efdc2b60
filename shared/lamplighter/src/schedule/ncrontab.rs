//! Schedules in NCRONTAB, the notation of Azure's timers.

use super::zone::{check_form, is_utc};
use super::{Rate, RateError, Schedule, ScheduleError, ScheduleProblem, When};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

impl Rate {
    /// The rate in NCRONTAB, for a rate that divides a minute, an hour or a day, and for seven days: these have the same
    /// ticks as an expression, the multiples of the rate since 1970 in UTC.
    ///
    /// # Errors
    ///
    /// [`RateError::NotNcrontab`] for any other.
    pub fn to_ncrontab(self) -> Result<String, RateError> {
        let every = |count: u64| if count == 1 { "*".to_owned() } else { format!("*/{count}") };
        match self.period().as_secs() {
            seconds if MINUTE.is_multiple_of(seconds) && seconds < MINUTE => {
                Ok(format!("{} * * * * *", every(seconds)))
            }
            seconds if HOUR.is_multiple_of(seconds) && seconds.is_multiple_of(MINUTE) && seconds < HOUR => {
                Ok(format!("0 {} * * * *", every(seconds / MINUTE)))
            }
            seconds if DAY.is_multiple_of(seconds) && seconds.is_multiple_of(HOUR) && seconds < DAY => {
                Ok(format!("0 0 {} * * *", every(seconds / HOUR)))
            }
            DAY => Ok("0 0 0 * * *".into()),
            // The first day of 1970 was a Thursday.
            WEEK => Ok("0 0 0 * * 4".into()),
            _ => Err(RateError::NotNcrontab { rate: self }),
        }
    }
}

impl Schedule {
    /// The schedule's times in NCRONTAB, in UTC: what an Azure timer reads. On Linux it knows no other zone (Azure Functions,
    /// "Timer trigger for Azure Functions", section "NCRONTAB time zones").
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] when NCRONTAB cannot express it: see [`Cron::to_ncrontab`](super::Cron::to_ncrontab) and
    /// [`Rate::to_ncrontab`]; for a cron expression in another zone than UTC, and for a single moment.
    pub fn ncrontab(&self) -> Result<String, ScheduleError> {
        self.expression_for_azure().map_err(|problem| ScheduleError::one(&self.name, problem))
    }

    fn expression_for_azure(&self) -> Result<String, ScheduleProblem> {
        match &self.when {
            When::Rate(rate) => Ok(rate.to_ncrontab()?),
            When::Cron(cron) => {
                check_form(&self.zone)?;
                if !is_utc(&self.zone) {
                    return Err(ScheduleProblem::NotUtc { zone: self.zone.clone() });
                }
                Ok(cron.to_ncrontab()?)
            }
            When::At(_) => Err(ScheduleProblem::Once),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rate(seconds: u64) -> Result<String, RateError> {
        Rate::every(Duration::from_secs(seconds)).unwrap().to_ncrontab()
    }

    #[test]
    fn rates_that_divide_a_field_are_expressed() {
        for (seconds, ncrontab) in [
            (1, "* * * * * *"),
            (15, "*/15 * * * * *"),
            (MINUTE, "0 * * * * *"),
            (5 * MINUTE, "0 */5 * * * *"),
            (HOUR, "0 0 * * * *"),
            (6 * HOUR, "0 0 */6 * * *"),
            (DAY, "0 0 0 * * *"),
            (WEEK, "0 0 0 * * 4"),
        ] {
            assert_eq!(rate(seconds).unwrap(), ncrontab);
        }
    }

    #[test]
    fn other_rates_are_refused() {
        for seconds in [7, 45, 90, 7 * MINUTE, 90 * MINUTE, 5 * HOUR, 36 * HOUR, 2 * DAY, 14 * DAY] {
            let error = rate(seconds).unwrap_err().to_string();
            assert!(error.contains("rate(") && error.contains("divides"), "{error}");
        }
    }

    #[test]
    fn zones_and_moments_are_refused_with_the_schedules_name() {
        let daily = Schedule::cron("daily", "0 6 * * *").unwrap();
        assert_eq!(daily.clone().zone("Etc/UTC").ncrontab().unwrap(), "0 0 6 * * *");
        let berlin = daily.zone("Europe/Berlin").ncrontab().unwrap_err().to_string();
        assert!(berlin.starts_with("schedule `daily`") && berlin.contains("Europe/Berlin"), "{berlin}");
        let once = Schedule::parse("once", "at(2027-01-01T00:00:00Z)").unwrap().ncrontab().unwrap_err().to_string();
        assert!(once.starts_with("schedule `once`") && once.contains("delay"), "{once}");
    }
}
