//! The figures that are counted.

use serde::Serialize;

use crate::{clock::ms, numbers::LATE, year::Job};

/// The results of a year on one host. Times are in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The host's name.
    pub host: &'static str,
    /// Whether it is one of Lamplighter's.
    pub ours: bool,
    /// Jobs and ticks of the year.
    pub jobs: u64,
    /// Those that succeeded. Every job is done, missed or lost.
    pub done: u64,
    /// Those that began more than five minutes after they were due.
    pub late: u64,
    /// Of the late ones, those of nightly schedules.
    pub late_nightly: u64,
    /// Ticks without a run of their own, since one run made up for several.
    pub missed: u64,
    /// Jobs that never succeeded, though there were no faults for a week.
    pub lost: u64,
    /// Attempts that the host interrupted, and that began again from the start: their work is repeated.
    pub begun_again: u64,
    /// Jobs that ran to their end twice: the process died before the first end was stored.
    pub ran_twice: u64,
    /// The total time for which jobs were due and could not begin, because no process was alive to run them, or because
    /// a dead one still held them.
    #[serde(rename = "stuck_ms")]
    pub stuck: u64,
    /// The longest such time of one job.
    #[serde(rename = "longest_stuck_ms")]
    pub longest_stuck: u64,
    /// The longest time from a job's due time to its first beginning.
    #[serde(rename = "longest_delay_ms")]
    pub longest_delay: u64,
}

impl Outcome {
    pub(crate) fn begins(&mut self, job: &Job, delay: u64) {
        self.longest_delay = self.longest_delay.max(delay);
        if delay > ms(LATE) {
            self.late += 1;
            self.late_nightly += u64::from(job.is_nightly());
        }
    }

    pub(crate) fn is_stuck(&mut self, time: u64) {
        self.stuck += time;
        self.longest_stuck = self.longest_stuck.max(time);
    }

    /// Combines the results of two parts of a host that share its jobs.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            host: self.host,
            ours: self.ours,
            jobs: self.jobs + other.jobs,
            done: self.done + other.done,
            late: self.late + other.late,
            late_nightly: self.late_nightly + other.late_nightly,
            missed: self.missed + other.missed,
            lost: self.lost + other.lost,
            begun_again: self.begun_again + other.begun_again,
            ran_twice: self.ran_twice + other.ran_twice,
            stuck: self.stuck + other.stuck,
            longest_stuck: self.longest_stuck.max(other.longest_stuck),
            longest_delay: self.longest_delay.max(other.longest_delay),
        }
    }

    /// Returns the worst of two years, figure by figure.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        Self {
            host: self.host,
            ours: self.ours,
            jobs: self.jobs.max(other.jobs),
            done: self.done.max(other.done),
            late: self.late.max(other.late),
            late_nightly: self.late_nightly.max(other.late_nightly),
            missed: self.missed.max(other.missed),
            lost: self.lost.max(other.lost),
            begun_again: self.begun_again.max(other.begun_again),
            ran_twice: self.ran_twice.max(other.ran_twice),
            stuck: self.stuck.max(other.stuck),
            longest_stuck: self.longest_stuck.max(other.longest_stuck),
            longest_delay: self.longest_delay.max(other.longest_delay),
        }
    }
}
