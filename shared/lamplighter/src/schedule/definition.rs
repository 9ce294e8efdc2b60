//! The schedule itself.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::rate::whole_second;
use super::zone::{self, UTC};
use super::{Misfire, ScheduleError, ScheduleProblem, When};

/// The longest description that EventBridge takes (API references of PutRule and CreateSchedule).
const MAX_DESCRIPTION: usize = 512;

/// A name, the times at which something runs, and the policy for missed runs.
///
/// Building one looks nothing up and reads no clock, so a program can build all of its schedules at start at no cost.
/// [`Schedule::check`] checks the name and the zone.
///
/// ```
/// use lamplighter::schedule::{Misfire, Schedule, When};
///
/// let report = Schedule::new("report-daily", When::cron("0 6 * * *")?)
///     .zone("Europe/Berlin")
///     .misfire(Misfire::Skip)
///     .description("Sums up yesterday's jobs");
/// report.check()?;
///
/// // 06:00 in Berlin is 04:00 UTC in summer.
/// let next = report.next_after("2026-07-01T12:00:00Z".parse()?)?;
/// assert_eq!(next, Some("2026-07-02T04:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schedule {
    /// Unique in the deployment: 1-64 letters, digits and `_.-`.
    pub name: String,
    /// When it fires.
    pub when: When,
    /// The IANA name of the zone in which a cron expression is read; without effect on rates and single moments.
    #[serde(default = "utc")]
    pub zone: String,
    /// The policy for runs that were missed.
    #[serde(default)]
    pub misfire: Misfire,
    /// For people; at most 512 characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether it runs at all. Its times can be computed either way.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn utc() -> String {
    UTC.into()
}

fn yes() -> bool {
    true
}

/// Returns whether a schedule may have this name: 1-64 letters, digits and `_.-`, as EventBridge requires for rules and
/// for schedules (API references of PutRule and CreateSchedule).
#[must_use]
pub fn is_schedule_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

impl Schedule {
    /// An enabled schedule in UTC that makes up for a missed stretch with one run.
    pub fn new(name: impl Into<String>, when: When) -> Self {
        Self {
            name: name.into(),
            when,
            zone: utc(),
            misfire: Misfire::default(),
            description: String::new(),
            enabled: true,
        }
    }

    /// A schedule by any of the three forms of [`When::parse`]: a cron expression, `rate(5 minutes)`, or
    /// `at(2027-01-01T00:00:00Z)`.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] with the schedule's name when [`When::parse`] refuses the text.
    pub fn parse(name: impl Into<String>, when: &str) -> Result<Self, ScheduleError> {
        let name = name.into();
        match When::parse(when) {
            Ok(when) => Ok(Self::new(name, when)),
            Err(error) => Err(ScheduleError::one(&name, error)),
        }
    }

    /// A schedule by cron expression.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] with the schedule's name when [`Cron::parse`](super::Cron::parse) refuses the expression.
    pub fn cron(name: impl Into<String>, expression: &str) -> Result<Self, ScheduleError> {
        let name = name.into();
        match When::cron(expression) {
            Ok(when) => Ok(Self::new(name, when)),
            Err(error) => Err(ScheduleError::one(&name, error)),
        }
    }

    /// A schedule at a fixed rate.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] with the schedule's name when [`Rate::every`](super::Rate::every) refuses the duration.
    pub fn rate(name: impl Into<String>, every: Duration) -> Result<Self, ScheduleError> {
        let name = name.into();
        match When::rate(every) {
            Ok(when) => Ok(Self::new(name, when)),
            Err(error) => Err(ScheduleError::one(&name, error)),
        }
    }

    /// A schedule that fires once.
    pub fn at(name: impl Into<String>, moment: Timestamp) -> Self {
        Self::new(name, When::At(moment))
    }

    /// Sets the zone in which a cron expression is read, by its IANA name. Default: `UTC`.
    pub fn zone(mut self, name: impl Into<String>) -> Self {
        self.zone = name.into();
        self
    }

    /// Sets what happens to runs that were missed. Default: [`Misfire::RunOnce`].
    pub fn misfire(mut self, misfire: Misfire) -> Self {
        self.misfire = misfire;
        self
    }

    /// Sets a description for people, at most 512 characters.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// Sets whether it runs at all. Default: `true`.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Checks what every backend requires of this schedule: its name, its description and its zone, which is looked up
    /// in the time zone database. [`Schedule::eventbridge`] reports what only AWS cannot express.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] with every problem, not only the first.
    pub fn check(&self) -> Result<(), ScheduleError> {
        self.report(self.problems_of_form().chain(zone::look_up(&self.zone).err().map(Into::into)))
    }

    /// [`Schedule::check`] without a time zone database: it checks the form of the zone's name, not that the zone
    /// exists.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] with every problem, not only the first.
    pub fn check_form(&self) -> Result<(), ScheduleError> {
        self.report(self.problems_of_form().chain(zone::check_form(&self.zone).err().map(Into::into)))
    }

    fn problems_of_form(&self) -> impl Iterator<Item = ScheduleProblem> {
        let name = (!is_schedule_name(&self.name)).then_some(ScheduleProblem::Name);
        let length = self.description.chars().count();
        let description = (length > MAX_DESCRIPTION).then_some(ScheduleProblem::Description { length });
        name.into_iter().chain(description)
    }

    fn report(&self, problems: impl Iterator<Item = ScheduleProblem>) -> Result<(), ScheduleError> {
        let problems: Vec<_> = problems.collect();
        if problems.is_empty() { Ok(()) } else { Err(ScheduleError { schedule: self.name.clone(), problems }) }
    }

    /// The first tick after `after`, never `after` itself; `None` when there is no further one.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] when the zone of a cron expression cannot be found.
    pub fn next_after(&self, after: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        Ok(self.when.next_after(after, &self.time_zone()?))
    }

    /// The latest tick at or before `moment`.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] when the zone of a cron expression cannot be found.
    pub fn at_or_before(&self, moment: Timestamp) -> Result<Option<Timestamp>, ScheduleError> {
        Ok(self.when.at_or_before(moment, &self.time_zone()?))
    }

    /// The ticks after `after`, up to and including `up_to`, in ascending order. They are computed lazily, so
    /// `.take(5)` computes five even if `up_to` is far away.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] when the zone of a cron expression cannot be found.
    pub fn ticks_between(
        &self,
        after: Timestamp,
        up_to: Timestamp,
    ) -> Result<impl Iterator<Item = Timestamp> + '_, ScheduleError> {
        let zone = self.time_zone()?;
        let mut last = after;
        Ok(std::iter::from_fn(move || {
            let tick = self.when.next_after(last, &zone).filter(|tick| *tick <= up_to)?;
            last = tick;
            Some(tick)
        }))
    }

    /// The id of the job that a tick enqueues: `report-daily@2026-05-01T06:00:00Z`. The same on every process and at
    /// every delivery, so a tick that is delivered twice is one job. Fractions of a second are cut off.
    pub fn tick_id(&self, tick: Timestamp) -> String {
        let second = Timestamp::from_second(whole_second(tick)).unwrap_or(tick);
        format!("{}@{second}", self.name)
    }

    /// The zone, which only a cron expression needs.
    pub(super) fn time_zone(&self) -> Result<TimeZone, ScheduleError> {
        match self.when {
            When::Cron(_) => zone::look_up(&self.zone).map_err(|error| ScheduleError::one(&self.name, error)),
            When::Rate(_) | When::At(_) => Ok(TimeZone::UTC),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn check_reports_every_problem() {
        let bad = Schedule::cron("no spaces!", "@daily").unwrap().zone("Mars/Olympus").description("x".repeat(513));
        let error = bad.check().unwrap_err();
        assert_eq!(error.problems.len(), 3);
        let text = error.to_string();
        assert!(text.contains("no spaces!") && text.contains("1-64") && text.contains("513") && text.contains("Mars"));
        for name in ["", &"x".repeat(65), "ü", "a:b"] {
            assert!(Schedule::at(name, Timestamp::UNIX_EPOCH).check().is_err(), "{name}");
        }
        assert!(Schedule::at("A_b.c-9".repeat(9), Timestamp::UNIX_EPOCH).check().is_ok());
    }

    #[test]
    fn parse_reads_every_form_and_errors_name_the_schedule() {
        let parsed = |when| Schedule::parse("pulse", when);
        assert_eq!(parsed("rate(5 minutes)"), Schedule::rate("pulse", Duration::from_secs(300)));
        assert_eq!(parsed("0 6 * * *"), Schedule::cron("pulse", "0 6 * * *"));
        assert_eq!(parsed("at(2027-01-01T00:00:00Z)"), Ok(Schedule::at("pulse", at("2027-01-01T00:00:00Z"))));
        for (wrong, says) in [("at(tomorrow)", "needs `Z`"), ("rate(1 minutes)", "singular"), ("61 * * * *", "minutes")]
        {
            let error = parsed(wrong).unwrap_err().to_string();
            assert!(error.contains("`pulse`") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn an_unknown_zone_matters_only_to_cron() {
        let now = at("2026-05-01T00:00:00Z");
        let cron = Schedule::cron("daily", "@daily").unwrap().zone("Nowhere");
        assert!(cron.next_after(now).is_err() && cron.ticks_between(now, now).is_err());
        let rate = Schedule::rate("pace", Duration::from_secs(60)).unwrap().zone("Nowhere");
        assert!(rate.next_after(now).is_ok());
    }

    #[test]
    fn ticks_between_leaves_out_the_start_and_keeps_the_end() {
        let hourly = Schedule::cron("hourly", "@hourly").unwrap();
        let ticks = |from, to| hourly.ticks_between(at(from), at(to)).unwrap().collect::<Vec<_>>();
        assert_eq!(
            ticks("2026-05-01T10:00:00Z", "2026-05-01T12:00:00Z"),
            [at("2026-05-01T11:00:00Z"), at("2026-05-01T12:00:00Z")]
        );
        assert_eq!(ticks("2026-05-01T12:00:00Z", "2026-05-01T10:00:00Z"), []);
    }

    #[test]
    fn tick_ids_are_valid_job_ids() {
        let schedule = Schedule::at("x".repeat(64), Timestamp::UNIX_EPOCH);
        let id = schedule.tick_id(at("2026-05-01T06:00:00.75Z"));
        assert!(id.ends_with("@2026-05-01T06:00:00Z"));
        for moment in [Timestamp::MIN, Timestamp::MAX] {
            let id = schedule.tick_id(moment);
            assert!(id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b)), "{id}");
        }
    }

    #[test]
    fn stored_form_is_stable() {
        let schedule = Schedule::cron("report", "0 6 * * *").unwrap().zone("Europe/Berlin").misfire(Misfire::RunAll);
        let json = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            json,
            r#"{"name":"report","when":"0 6 * * *","zone":"Europe/Berlin","misfire":"run_all","enabled":true}"#
        );
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), schedule);
        let least: Schedule = serde_json::from_str(r#"{"name":"n","when":"rate(5 minutes)"}"#).unwrap();
        assert_eq!(least, Schedule::rate("n", Duration::from_secs(300)).unwrap());
        let error = serde_json::from_str::<Schedule>(r#"{"name":"n","when":"61 * * * *"}"#).unwrap_err();
        assert!(error.to_string().contains("minutes"), "{error}");
    }
}
