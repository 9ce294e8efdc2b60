//! The AWS feature that runs a schedule.

use jiff::tz::Offset;

use super::when::round_up;
use super::zone::{UTC, check_form, is_utc};
use super::{Schedule, ScheduleError, ScheduleProblem, When};

/// A schedule as expressed on AWS.
///
/// A rule is enough for cron in UTC and for a rate; a time zone or a single moment needs EventBridge Scheduler
/// (Amazon EventBridge User Guide, "Creating a rule that runs on a schedule"; EventBridge Scheduler User Guide,
/// "Schedule types").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventBridge {
    /// An EventBridge rule with this schedule expression. Rules run in UTC.
    Rule {
        /// `cron(…)` or `rate(…)`.
        expression: String,
    },
    /// A schedule of EventBridge Scheduler.
    Scheduler {
        /// `cron(…)` or `at(yyyy-mm-ddThh:mm:ss)`.
        expression: String,
        /// The zone in which the expression is read; `UTC` for a single moment.
        timezone: String,
    },
}

impl EventBridge {
    /// The prefix of a deployed schedule's name in EventBridge Scheduler. It distinguishes deployed schedules from
    /// those created at run time, which are in the same group.
    pub const DEPLOYED: &str = "deployed-";

    /// The schedule expression.
    pub fn expression(&self) -> &str {
        match self {
            Self::Rule { expression } | Self::Scheduler { expression, .. } => expression,
        }
    }
}

impl Schedule {
    /// Returns what to create on AWS for this schedule. It needs no time zone database, so it does not check that the
    /// zone exists: [`Schedule::check`] does.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] when AWS cannot express it: see [`Cron::to_aws`](super::Cron::to_aws) and
    /// [`Rate::to_aws`](super::Rate::to_aws); or when the zone is not of the form of an IANA name.
    pub fn eventbridge(&self) -> Result<EventBridge, ScheduleError> {
        self.expression_for_aws().map_err(|problem| ScheduleError::one(&self.name, problem))
    }

    fn expression_for_aws(&self) -> Result<EventBridge, ScheduleProblem> {
        match &self.when {
            When::Rate(rate) => Ok(EventBridge::Rule { expression: rate.to_aws()? }),
            When::Cron(cron) => {
                check_form(&self.zone)?;
                let expression = cron.to_aws()?;
                Ok(if is_utc(&self.zone) {
                    EventBridge::Rule { expression }
                } else {
                    EventBridge::Scheduler { expression, timezone: self.zone.clone() }
                })
            }
            When::At(moment) => {
                let moment = round_up(*moment).filter(|moment| moment.as_second() >= 0).ok_or(ScheduleProblem::At)?;
                let local = Offset::UTC.to_datetime(moment);
                Ok(EventBridge::Scheduler { expression: format!("at({local})"), timezone: UTC.into() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rule_when_it_can_be_one() {
        let rule = |expression: &str| EventBridge::Rule { expression: expression.into() };
        let daily = Schedule::cron("daily", "0 6 * * *").unwrap();
        assert_eq!(daily.eventbridge().unwrap(), rule("cron(0 6 * * ? *)"));
        assert_eq!(daily.zone("Etc/UTC").eventbridge().unwrap(), rule("cron(0 6 * * ? *)"));
        let hourly = Schedule::rate("hourly", Duration::from_secs(3600)).unwrap();
        assert_eq!(hourly.zone("Asia/Tokyo").eventbridge().unwrap(), rule("rate(1 hour)"));
    }

    #[test]
    fn scheduler_for_zones_and_moments() {
        let scheduler = |expression: &str, timezone: &str| EventBridge::Scheduler {
            expression: expression.into(),
            timezone: timezone.into(),
        };
        let daily = Schedule::cron("daily", "0 6 * * *").unwrap().zone("Europe/Berlin");
        assert_eq!(daily.eventbridge().unwrap(), scheduler("cron(0 6 * * ? *)", "Europe/Berlin"));
        let at = |text: &str| Schedule::new("once", When::parse(text).unwrap()).zone("Europe/Berlin").eventbridge();
        assert_eq!(at("at(2026-05-01T08:00:00+02:00)").unwrap(), scheduler("at(2026-05-01T06:00:00)", "UTC"));
        assert_eq!(at("at(2026-05-01T06:00:00.001Z)").unwrap(), scheduler("at(2026-05-01T06:00:01)", "UTC"));
        assert!(at("at(1969-12-31T23:59:59Z)").is_err());
    }

    #[test]
    fn errors_carry_the_schedules_name() {
        let both = Schedule::cron("both-days", "0 6 13 * 5").unwrap().eventbridge().unwrap_err();
        assert!(both.to_string().starts_with("schedule `both-days`: cron `0 6 13 * 5`"), "{both}");
        let fast = Schedule::rate("fast", Duration::from_secs(5)).unwrap().eventbridge().unwrap_err();
        assert!(fast.to_string().contains("rate(5 seconds)"), "{fast}");
    }
}
