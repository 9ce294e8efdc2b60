//! The input of a schedule: the message that its ticks send, parsed.

use lamplighter::{
    RawValue, ScheduledJob, Tracking,
    schedule::{Schedule, When},
};
use serde::Deserialize;

use crate::queues::{QueueArn, QueueMap};

/// The message that ticks send, with a placeholder for the tick's time.
#[derive(Debug, Deserialize)]
pub(super) struct Template {
    job: String,
    args: Box<RawValue>,
    pub(super) schedule: String,
}

/// A schedule as stored by its service.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) expression: Option<&'a str>,
    pub(super) timezone: Option<&'a str>,
    pub(super) description: Option<&'a str>,
    /// The ARN of its target.
    pub(super) arn: &'a str,
}

/// The description of a schedule without one.
pub(super) fn about(job: &str) -> String {
    format!("Starts {job}")
}

impl Template {
    /// Parses the message in an input; `None` if it is something else.
    pub(super) fn of(input: Option<&str>) -> Option<Self> {
        serde_json::from_str(input?).ok()
    }

    /// The schedule and its job; `None` if its times are not supported, or its target is not a queue.
    pub(super) fn scheduled(self, kept: &Kept<'_>, queues: &QueueMap) -> Option<ScheduledJob> {
        let Self { job, args, schedule: name } = self;
        let queue = queues.name_of(&QueueArn::parse(kept.arn)?, std::iter::empty());
        let mut schedule = Schedule::new(name, when(kept.expression?, kept.timezone)?);
        if let Some(zone) = kept.timezone {
            schedule = schedule.zone(zone);
        }
        if let Some(description) = kept.description.filter(|text| *text != about(&job)) {
            schedule = schedule.description(description);
        }
        // The message is the same as a tick's: the receiver creates its record.
        Some(ScheduledJob { schedule, job: job.into(), queue, tracking: Tracking::Untracked, args })
    }
}

/// The times of an expression. Single moments are parsed only in UTC: no others are created here.
fn when(expression: &str, timezone: Option<&str>) -> Option<When> {
    match expression.strip_suffix(')').filter(|text| text.starts_with("at(")) {
        Some(moment) if timezone.is_none_or(|zone| zone == "UTC") => When::parse(&format!("{moment}Z)")).ok(),
        Some(_) => None,
        None => When::parse(expression).ok(),
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::backend::tick_template;

    use super::*;

    const ARN: &str = "arn:aws:sqs:us-east-1:123456789012:shop-reports";

    fn read(input: &str, expression: &str, timezone: Option<&str>, description: &str) -> Option<ScheduledJob> {
        let kept = Kept { expression: Some(expression), timezone, description: Some(description), arn: ARN };
        let map = QueueMap::single("reports", "https://sqs.us-east-1.amazonaws.com/123456789012/shop-reports");
        Template::of(Some(input))?.scheduled(&kept, &map)
    }

    #[test]
    fn schedules_round_trip() {
        let input = tick_template("report", "digest.daily", r#"{"html":"<b>"}"#, "<aws.scheduler.scheduled-time>");
        let scheduled = read(&input, "cron(0 6 ? * MON-FRI *)", Some("Europe/Berlin"), "Starts digest.daily").unwrap();
        let schedule = Schedule::cron("report", "cron(0 6 ? * MON-FRI *)").unwrap().zone("Europe/Berlin");
        assert_eq!(scheduled.schedule, schedule);
        assert_eq!((&*scheduled.job, &*scheduled.queue), ("digest.daily", "reports"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(scheduled.args.get()).unwrap()["html"], "<b>");
        let once = read(&input, "at(2026-12-24T17:00:00)", Some("UTC"), "Presents").unwrap().schedule;
        assert_eq!(once, Schedule::at("report", "2026-12-24T17:00:00Z".parse().unwrap()).description("Presents"));
    }

    #[test]
    fn foreign_schedules_are_ignored() {
        let input = tick_template("report", "digest.daily", "{}", "<time>");
        assert!(read(&input, "at(2026-12-24T17:00:00)", Some("Europe/Berlin"), "").is_none());
        assert!(read(&input, "every full moon", None, "").is_none());
        assert!(Template::of(Some(r#"{"hello":"world"}"#)).is_none() && Template::of(None).is_none());
    }
}
