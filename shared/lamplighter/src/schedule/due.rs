//! The ticks to run now, when some may have been missed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Schedule, ScheduleError};

/// A tick that is picked up within this time still counts as on time. Sixty seconds is the precision of EventBridge
/// Scheduler (User Guide, "Schedule types").
pub const MISFIRE_GRACE: Duration = Duration::from_secs(60);

/// The most ticks that [`Misfire::RunAll`] returns from one call.
pub const RUN_ALL_LIMIT: usize = 1000;

/// The policy for ticks that passed while nothing was running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfire {
    /// However many were missed, one run makes up for them: the latest.
    #[default]
    RunOnce,
    /// Missed runs are dropped. A tick counts as missed [`MISFIRE_GRACE`] after its time; of several within the grace
    /// only the latest runs.
    Skip,
    /// Every missed run is made up for, oldest first, each under its own time and id; but no more than the latest
    /// [`RUN_ALL_LIMIT`]. Older ones are passed over for good, so that a long downtime cannot flood a queue.
    RunAll,
}

/// The result of [`Schedule::due`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "enqueue the ticks and store `last_tick`"]
pub struct Due {
    /// The ticks to enqueue now, in ascending order.
    pub ticks: Vec<Timestamp>,
    /// The time up to which the schedule is settled: store it, and pass it to the next call.
    pub last_tick: Timestamp,
    /// Whether some ticks between the old and the new `last_tick` are not run, by the misfire policy.
    pub passed_over: bool,
}

impl Schedule {
    /// Returns the ticks to enqueue after `last_tick` and up to `now`, by the misfire policy. For a schedule that never
    /// ran, `last_tick` is the time from which it is to run, usually its creation.
    ///
    /// When nothing is due, or the clock went back before `last_tick`, the result is empty and `last_tick` stays. A
    /// disabled schedule returns no ticks and moves `last_tick` to `now`: ticks during a pause are not missed.
    ///
    /// Storing the new `last_tick` and enqueueing belong in one transaction; if that is not possible, enqueue first:
    /// [`Schedule::tick_id`] makes the repetition harmless.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] when the zone of a cron expression cannot be found.
    pub fn due(&self, last_tick: Timestamp, now: Timestamp) -> Result<Due, ScheduleError> {
        let nothing = |last_tick| Due { ticks: Vec::new(), last_tick, passed_over: false };
        if !self.enabled {
            return Ok(nothing(last_tick.max(now)));
        }
        let zone = self.time_zone()?;
        let pending_by = |moment| self.when.at_or_before(moment, &zone).filter(|tick| *tick > last_tick);
        // Ticks are whole seconds, so every earlier tick is at least one second earlier.
        let pending_before = |tick: Timestamp| pending_by(tick.checked_sub(SignedDuration::from_secs(1)).ok()?);

        let Some(latest) = pending_by(now) else {
            return Ok(nothing(last_tick));
        };
        let mut ticks = match self.misfire {
            Misfire::RunOnce => vec![latest],
            Misfire::Skip if now.duration_since(latest).unsigned_abs() <= MISFIRE_GRACE => {
                vec![latest]
            }
            Misfire::Skip => Vec::new(),
            Misfire::RunAll => {
                std::iter::successors(Some(latest), |tick| pending_before(*tick)).take(RUN_ALL_LIMIT).collect()
            }
        };
        ticks.reverse();
        let passed_over = ticks.first().is_none_or(|first| pending_before(*first).is_some());
        Ok(Due { ticks, last_tick: latest, passed_over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hourly(misfire: Misfire) -> Schedule {
        Schedule::cron("hourly", "@hourly").unwrap().misfire(misfire)
    }

    #[test]
    fn a_tick_on_time_runs_under_every_policy() {
        for misfire in [Misfire::RunOnce, Misfire::Skip, Misfire::RunAll] {
            let due = hourly(misfire).due(at("2026-05-01T09:00:00Z"), at("2026-05-01T10:00:00.02Z")).unwrap();
            let tick = at("2026-05-01T10:00:00Z");
            assert_eq!(due, Due { ticks: vec![tick], last_tick: tick, passed_over: false });
            let early = hourly(misfire).due(tick, at("2026-05-01T10:59:59.999Z")).unwrap();
            assert_eq!(early, Due { ticks: vec![], last_tick: tick, passed_over: false });
        }
    }

    #[test]
    fn misfire_policies_after_a_missed_stretch() {
        let (last, now) = (at("2026-05-01T06:00:00Z"), at("2026-05-01T09:30:00Z"));
        let latest = at("2026-05-01T09:00:00Z");
        assert_eq!(
            hourly(Misfire::RunOnce).due(last, now).unwrap(),
            Due { ticks: vec![latest], last_tick: latest, passed_over: true }
        );
        assert_eq!(
            hourly(Misfire::Skip).due(last, now).unwrap(),
            Due { ticks: vec![], last_tick: latest, passed_over: true }
        );
        assert_eq!(
            hourly(Misfire::RunAll).due(last, now).unwrap(),
            Due {
                ticks: vec![at("2026-05-01T07:00:00Z"), at("2026-05-01T08:00:00Z"), latest],
                last_tick: latest,
                passed_over: false
            }
        );
    }

    #[test]
    fn skip_has_a_grace_of_a_minute() {
        let last = at("2026-05-01T08:00:00Z");
        let ticks = |now| hourly(Misfire::Skip).due(last, at(now)).unwrap().ticks;
        assert_eq!(ticks("2026-05-01T09:01:00Z"), [at("2026-05-01T09:00:00Z")]);
        assert_eq!(ticks("2026-05-01T09:01:00.001Z"), []);
    }

    #[test]
    fn run_all_keeps_the_latest_thousand() {
        let pace = Schedule::rate("pace", Duration::from_secs(1)).unwrap().misfire(Misfire::RunAll);
        let now = at("2026-05-01T00:00:00Z");
        let due = pace.due(at("2020-01-01T00:00:00Z"), now).unwrap();
        assert_eq!((due.ticks.len(), due.passed_over, due.last_tick), (RUN_ALL_LIMIT, true, now));
        assert!(due.ticks.is_sorted());
        let exactly = pace.due(now - SignedDuration::from_secs(1000), now).unwrap();
        assert_eq!((exactly.ticks.len(), exactly.passed_over), (RUN_ALL_LIMIT, false));
    }

    #[test]
    fn pauses_are_not_missed_and_the_clock_may_go_back() {
        let (last, now) = (at("2026-05-01T06:00:00Z"), at("2026-05-01T09:30:00Z"));
        let paused = hourly(Misfire::RunAll).enabled(false).due(last, now).unwrap();
        assert_eq!(paused, Due { ticks: vec![], last_tick: now, passed_over: false });
        let back = hourly(Misfire::RunAll).due(now, last).unwrap();
        assert_eq!(back, Due { ticks: vec![], last_tick: now, passed_over: false });
    }

    #[test]
    fn a_single_moment_runs_once() {
        let once = Schedule::at("once", at("2026-05-01T09:00:00Z"));
        let due = once.due(at("2026-05-01T06:00:00Z"), at("2026-05-02T00:00:00Z")).unwrap();
        assert_eq!(due.ticks, [at("2026-05-01T09:00:00Z")]);
        let after = once.due(due.last_tick, at("2026-05-03T00:00:00Z")).unwrap();
        assert_eq!(after.ticks, []);
    }
}
