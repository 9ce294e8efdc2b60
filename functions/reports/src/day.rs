//! The day of a report.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use lamplighter::message::Message;

/// The day (UTC) that a report is about: the one asked for, or else the day before the moment for which the job was
/// scheduled or enqueued. That moment is in the message, so an attempt after midnight reports the same day as the
/// first. Only a message without a time uses the clock.
pub(crate) fn day(asked: Option<Date>, message: &Message, now: Timestamp) -> Date {
    asked.unwrap_or_else(|| {
        let moment = tick(message).or(message.enqueued_at).unwrap_or(now);
        TimeZone::UTC.to_datetime(moment).date().saturating_sub(1.day())
    })
}

/// The scheduled time in the id of a schedule's job, `<schedule>@<time>`.
fn tick(message: &Message) -> Option<Timestamp> {
    let schedule = message.schedule.as_deref()?;
    let time = message.id.as_ref()?.as_str().strip_prefix(schedule)?.strip_prefix('@')?;
    time.parse().ok()
}

/// The day's first moment, and the next day's.
pub(crate) fn bounds(day: Date) -> Option<(Timestamp, Timestamp)> {
    let start = |day: Date| TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok();
    Some((start(day)?, start(day.tomorrow().ok()?)?))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use lamplighter_jobs::schedules;

    use super::*;

    fn message(json: &str) -> Message {
        json.parse().unwrap()
    }

    const NOW: &str = "2026-11-25T00:10:00Z";

    fn of(asked: Option<Date>, json: &str) -> Date {
        day(asked, &message(json), NOW.parse().unwrap())
    }

    #[test]
    fn ticks_report_the_day_before_whenever_they_run() {
        let tick = "2026-11-24T06:00:00Z".parse().unwrap();
        let ticked = schedules()[0].message(tick).unwrap();
        assert_eq!(day(None, &ticked, NOW.parse().unwrap()), date(2026, 11, 23));
        // EventBridge's message has the tick in its id only.
        let json = r#"{"job":"report.daily","schedule":"report-daily","id":"report-daily@2026-11-24T06:00:00Z"}"#;
        assert_eq!(of(None, json), date(2026, 11, 23));
    }

    #[test]
    fn other_jobs_report_the_requested_or_previous_day() {
        assert_eq!(of(None, r#"{"job":"a","enqueued_at":"2026-11-20T23:59:59Z"}"#), date(2026, 11, 19));
        assert_eq!(of(None, r#"{"job":"a","enqueued_at":"2026-11-20T01:00:00+02:00"}"#), date(2026, 11, 18));
        assert_eq!(of(None, r#"{"job":"a"}"#), date(2026, 11, 24));
        assert_eq!(of(None, r#"{"job":"a","schedule":"b","id":"b@never"}"#), date(2026, 11, 24));
        assert_eq!(of(Some(date(2026, 1, 2)), r#"{"job":"a"}"#), date(2026, 1, 2));
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_utc() {
        let (start, end) = bounds(date(2026, 12, 31)).unwrap();
        assert_eq!(
            (start.to_string(), end.to_string()),
            ("2026-12-31T00:00:00Z".into(), "2027-01-01T00:00:00Z".into())
        );
        assert_eq!(bounds(Date::MAX), None);
    }
}
