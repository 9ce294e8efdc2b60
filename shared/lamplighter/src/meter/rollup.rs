//! What workers have measured, by job and time.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::Histogram;
use crate::ports::{StoreError, StoreErrorKind};

/// Which roll-ups to read. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollupQuery {
    /// Of this job name.
    pub job: Option<String>,
    /// Of this queue.
    pub queue: Option<String>,
    /// From this moment on. The first minute is whole.
    pub since: Timestamp,
    /// Before this moment. The last minute is whole.
    pub until: Timestamp,
    /// The length of a point: whole minutes.
    pub step: Duration,
}

impl RollupQuery {
    /// The most points that a query may have for a job.
    pub const MOST_POINTS: u64 = 1500;

    /// All roll-ups between two moments, in points of this length.
    #[must_use]
    pub const fn new(since: Timestamp, until: Timestamp, step: Duration) -> Self {
        Self { job: None, queue: None, since, until, step }
    }

    /// All roll-ups between two moments, in points of the shortest length with which there are at most `points`: a round
    /// number of minutes, hours or days. They begin at multiples of it, in UTC, and the first may be from before `since`.
    #[must_use]
    pub fn in_points(since: Timestamp, until: Timestamp, points: u64) -> Self {
        const MINUTES: [u64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440];
        let (first, last) = first_and_last(since, until);
        let points = points.max(1);
        let fits = |step: &u64| {
            let step = i128::from(*step);
            last.div_euclid(step) - first.div_euclid(step) < i128::from(points)
        };
        let days = || minutes_between(since, until).div_ceil(1440).div_ceil(points.max(2) - 1).max(1) * 1440;
        let step = MINUTES.into_iter().find(fits).unwrap_or_else(days);
        let step = i64::try_from(step.saturating_mul(60)).unwrap_or(i64::MAX);
        let first = since.as_second().div_euclid(step).saturating_mul(step);
        let since = Timestamp::from_second(first).unwrap_or(since);
        Self::new(since, until, Duration::from_secs(step.unsigned_abs()))
    }

    /// The time from its first minute to its last one: with this step, there is one point.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_secs(minutes_between(self.since, self.until).saturating_mul(60))
    }

    /// The minutes of a point.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] when it is no whole number of minutes, when nothing is between the two moments, or when
    /// there would be more than [`MOST_POINTS`](Self::MOST_POINTS).
    pub fn minutes(&self) -> Result<u64, StoreError> {
        let invalid = |text: String| Err(StoreError::new(StoreErrorKind::Invalid, text));
        let Self { since, until, step, .. } = self;
        if since >= until {
            return invalid(format!("there is no time from {since} to {until}"));
        }
        let minutes = step.as_secs() / 60;
        if minutes == 0 || step.as_secs() % 60 != 0 || step.subsec_nanos() != 0 {
            return invalid(format!("roll-ups are by the minute: {step:?} is not a whole number of them"));
        }
        let points = minutes_between(*since, *until).div_ceil(minutes);
        if points > Self::MOST_POINTS {
            let most = Self::MOST_POINTS;
            return invalid(format!(
                "{points} points are too many, the most are {most}; take longer ones, or less time"
            ));
        }
        Ok(minutes)
    }
}

fn minutes_between(since: Timestamp, until: Timestamp) -> u64 {
    let (first, last) = first_and_last(since, until);
    u64::try_from(last - first + 1).unwrap_or(0).max(1)
}

/// The first minute and the last one, counted from 1970.
fn first_and_last(since: Timestamp, until: Timestamp) -> (i128, i128) {
    const MINUTE: i128 = 60_000_000_000;
    (since.as_nanosecond().div_euclid(MINUTE), (until.as_nanosecond() - 1).div_euclid(MINUTE))
}

/// What was measured of one job on one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rollup {
    /// The job's name; [`Run::UNKNOWN`](super::Run::UNKNOWN) for messages that named no job of their function.
    pub job: String,
    /// The queue.
    pub queue: String,
    /// The oldest first; those in which nothing ended are left out.
    pub points: Vec<RollupPoint>,
}

impl Rollup {
    /// These points of a job.
    #[must_use]
    pub const fn new(job: String, queue: String, points: Vec<RollupPoint>) -> Self {
        Self { job, queue, points }
    }
}

/// What was measured in some minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RollupPoint {
    /// Its first minute.
    pub start: Timestamp,
    /// Jobs that succeeded.
    pub succeeded: u64,
    /// Attempts that failed, and whose job is tried again.
    pub retried: u64,
    /// Jobs that failed, and messages that could not run.
    pub failed: u64,
    /// How long handlers took; `None` where none has ended.
    pub duration: Option<Percentiles>,
    /// How long jobs waited before their first attempt, from when they were due; `None` where that is not known.
    pub queue_latency: Option<Percentiles>,
}

impl RollupPoint {
    /// A point with nothing in it.
    #[must_use]
    pub const fn new(start: Timestamp) -> Self {
        Self { start, succeeded: 0, retried: 0, failed: 0, duration: None, queue_latency: None }
    }
}

/// Percentiles of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// The median.
    #[serde(rename = "p50_ms", serialize_with = "milliseconds")]
    pub p50: Duration,
    /// Which 95 of a hundred do not exceed.
    #[serde(rename = "p95_ms", serialize_with = "milliseconds")]
    pub p95: Duration,
    /// Which 99 of a hundred do not exceed.
    #[serde(rename = "p99_ms", serialize_with = "milliseconds")]
    pub p99: Duration,
}

impl Percentiles {
    /// Of a histogram; `None` if it is empty.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Option<Self> {
        let at = |part| histogram.quantile(part);
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)? })
    }
}

fn milliseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Whole microseconds, so that no digit behind them is shown.
    serializer.serialize_f64(duration.as_micros() as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{days, hours, mins, secs};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_query_has_whole_minutes_and_not_too_many_points() {
        let (since, until) = (at("2026-11-27T09:00:00Z"), at("2026-11-28T09:00:00Z"));
        assert_eq!(RollupQuery::new(since, until, mins(1)).minutes().unwrap(), 1);
        assert_eq!(RollupQuery::new(since, until, days(30)).minutes().unwrap(), 30 * 1440);
        for step in [secs(0), secs(59), secs(90), Duration::from_millis(60_001)] {
            let error = RollupQuery::new(since, until, step).minutes().unwrap_err();
            assert!(error.to_string().contains("whole number"), "{error}");
        }
        let long = RollupQuery::new(since, at("2026-11-30T09:00:00Z"), mins(1)).minutes().unwrap_err();
        assert!(long.to_string().contains("4320 points are too many"), "{long}");
        assert!(RollupQuery::new(until, since, mins(1)).minutes().is_err());
        assert!(RollupQuery::new(since, since, mins(1)).minutes().is_err());
        assert!(RollupQuery::new(Timestamp::MIN, Timestamp::MAX, mins(1)).minutes().is_err());
    }

    #[test]
    fn times_are_milliseconds_in_json() {
        let time = Duration::from_micros(44_032);
        let json = serde_json::to_string(&Percentiles { p50: time, p95: time, p99: secs(3) }).unwrap();
        assert_eq!(json, r#"{"p50_ms":44.032,"p95_ms":44.032,"p99_ms":3000.0}"#);
    }

    #[test]
    fn the_length_of_points_follows_from_their_number() {
        let since = at("2026-11-27T09:00:30Z");
        let step = |length: Duration| RollupQuery::in_points(since, since.saturating_add(length).unwrap(), 61).step;
        assert_eq!((step(secs(1)), step(hours(1)), step(hours(2))), (mins(1), mins(1), mins(2)));
        assert_eq!((step(days(1)), step(days(7)), step(days(90))), (mins(30), hours(3), days(2)));
        assert_eq!(step(days(4000)), days(67));
        let aligned = RollupQuery::in_points(since, since.saturating_add(hours(30)).unwrap(), 61);
        assert_eq!((aligned.since, aligned.step), (at("2026-11-27T09:00:00Z"), mins(30)));
        let all = RollupQuery::in_points(Timestamp::MIN, Timestamp::MAX, 0);
        assert!(all.minutes().is_ok());
    }
}
