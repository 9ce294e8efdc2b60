//! What a schedule's input says: the message that its ticks send, read back.

use lamplighter::{
    RawValue, ScheduledJob, Tracking,
    schedule::{Schedule, When},
};
use serde::Deserialize;

use crate::queues::{QueueArn, QueueMap};

/// The message that ticks send, with something in place of a tick's time.
#[derive(Debug, Deserialize)]
pub(super) struct Template {
    job: String,
    args: Box<RawValue>,
    pub(super) schedule: String,
}

/// A schedule as a service keeps it.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) expression: Option<&'a str>,
    pub(super) timezone: Option<&'a str>,
    pub(super) description: Option<&'a str>,
    /// What it calls.
    pub(super) arn: &'a str,
}

/// What a schedule of a job is described by where nobody has described it.
pub(super) fn about(job: &str) -> String {
    format!("Starts {job}")
}

impl Template {
    /// The message in an input; `None` when it is something else.
    pub(super) fn of(input: Option<&str>) -> Option<Self> {
        serde_json::from_str(input?).ok()
    }

    /// The schedule and its job; `None` when it has no such times, or does not call a queue.
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
        // The message goes as a tick's would: whoever receives it sees to its record.
        Some(ScheduledJob { schedule, job: job.into(), queue, tracking: Tracking::Untracked, args })
    }
}

/// The times of an expression. Of single moments, only those in UTC are told: no other is made here.
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
    fn what_was_written_is_read() {
        let input = tick_template("report", "report.daily", r#"{"html":"<b>"}"#, "<aws.scheduler.scheduled-time>");
        let scheduled = read(&input, "cron(0 6 ? * MON-FRI *)", Some("Europe/Berlin"), "Starts report.daily").unwrap();
        let schedule = Schedule::cron("report", "cron(0 6 ? * MON-FRI *)").unwrap().zone("Europe/Berlin");
        assert_eq!(scheduled.schedule, schedule);
        assert_eq!((&*scheduled.job, &*scheduled.queue), ("report.daily", "reports"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(scheduled.args.get()).unwrap()["html"], "<b>");
        let once = read(&input, "at(2026-12-24T17:00:00)", Some("UTC"), "Presents").unwrap().schedule;
        assert_eq!(once, Schedule::at("report", "2026-12-24T17:00:00Z".parse().unwrap()).description("Presents"));
    }

    #[test]
    fn what_others_wrote_is_not_taken_for_ours() {
        let input = tick_template("report", "report.daily", "{}", "<time>");
        assert!(read(&input, "at(2026-12-24T17:00:00)", Some("Europe/Berlin"), "").is_none());
        assert!(read(&input, "every full moon", None, "").is_none());
        assert!(Template::of(Some(r#"{"hello":"world"}"#)).is_none() && Template::of(None).is_none());
    }
}
