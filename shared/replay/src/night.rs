//! One night, for the picture.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    clock::{DAY, HOUR, MINUTE, Moment},
    hosts,
    lifecycle::Lifetime,
    simulation::{Run, RunEnd},
    year::{Origin, SCHEDULES, Year},
};

/// The start of a night, which ends in the morning.
const EVENING: u64 = 18 * HOUR;
const LENGTH: u64 = 15 * HOUR;
/// A shorter job is too small for the picture.
const VISIBLE: u64 = 3 * MINUTE;

/// A night on all hosts.
pub(crate) struct Night {
    pub(crate) window: Range<Moment>,
    pub(crate) requests: Vec<Moment>,
    /// In the order of [`hosts::ALL`].
    pub(crate) lanes: Vec<Lane>,
}

/// The results of one host in it.
pub(crate) struct Lane {
    pub(crate) lifetimes: Vec<Lifetime>,
    pub(crate) jobs: Vec<Shown>,
}

/// A job in the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) due: Moment,
    pub(crate) origin: Origin,
    /// In order. Empty if it did not begin in the night.
    pub(crate) runs: Vec<Run>,
}

impl Night {
    /// Returns the first night of the year in which a worker process of IIS's defaults interrupted a job in the evening
    /// and was not running when the nightly report was due, without any failure; otherwise the one in which the report
    /// waited longest.
    pub(crate) fn telling(year: &Year) -> Option<Self> {
        let [first, ..] = &hosts::ALL;
        let runs = first.play(year, &(0..year.end)).runs;
        let quiet = |window: &Range<Moment>| !year.troubles.iter().any(|trouble| window.contains(&trouble.at));
        let nights = (0..year.end / DAY).map(|day| day * DAY + EVENING).map(|from| from..from + LENGTH);
        let scored = nights.filter(|window| window.end <= year.end).map(|window| {
            let within = || runs.iter().filter(|run| window.contains(&run.from));
            let cut_off = within().any(|run| is_cut_off_in_sight(run, &window));
            let waited = within().filter(|run| is_report(run.origin)).map(|run| run.from - run.due).max().unwrap_or(0);
            let begins = window.start;
            ((cut_off && waited > HOUR && quiet(&window), waited.min(3 * HOUR), std::cmp::Reverse(begins)), window)
        });
        let (_, window) = scored.max_by_key(|(score, _)| *score)?;
        Some(Self::of(year, window))
    }

    fn of(year: &Year, window: Range<Moment>) -> Self {
        let lanes = hosts::ALL.iter().map(|host| {
            let played = host.play(year, &window);
            let lifetimes = played.lifetimes.into_iter();
            let seen = |lifetime: &Lifetime| lifetime.start < window.end && lifetime.until() > window.start;
            Lane { lifetimes: lifetimes.filter(seen).collect(), jobs: shown(year, &window, played.runs) }
        });
        let requests = year.requests.iter().copied().filter(|at| window.contains(at)).collect();
        Self { lanes: lanes.collect(), requests, window }
    }
}

fn is_cut_off_in_sight(run: &Run, window: &Range<Moment>) -> bool {
    let evening = window.start..window.start + 5 * HOUR;
    run.end == RunEnd::CutOff && evening.contains(&run.due) && run.to - run.from >= 10 * MINUTE
}

fn is_report(origin: Origin) -> bool {
    matches!(origin, Origin::Tick(schedule) if SCHEDULES[schedule].name.starts_with("report"))
}

/// Returns the jobs that are due in the window and long enough for the picture, with their runs.
fn shown(year: &Year, window: &Range<Moment>, runs: Vec<Run>) -> Vec<Shown> {
    let due = year.jobs.iter().filter(|job| window.contains(&job.due) && job.work >= VISIBLE);
    let mut jobs: BTreeMap<_, _> =
        due.map(|job| ((job.due, job.origin), Shown { due: job.due, origin: job.origin, runs: Vec::new() })).collect();
    for run in runs {
        if let Some(job) = jobs.get_mut(&(run.due, run.origin)) {
            job.runs.push(run);
        }
    }
    jobs.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_night_shows_an_interrupted_job_and_a_report_that_waits() {
        let year = Year::new(1, 364);
        let night = Night::telling(&year).unwrap();
        let in_iis = &night.lanes[0];
        assert!(in_iis.jobs.iter().any(|job| job.runs.iter().any(|run| run.end == RunEnd::CutOff)));
        let report = in_iis.jobs.iter().find(|job| is_report(job.origin)).unwrap();
        assert!(report.runs.last().unwrap().to > report.due + HOUR);
        // On the other hosts a process was alive.
        let last = night.lanes.last().unwrap();
        let report = last.jobs.iter().find(|job| is_report(job.origin)).unwrap();
        assert!(report.runs[0].from <= report.due + MINUTE && report.runs[0].end == RunEnd::Done);
        assert!(last.lifetimes.is_empty(), "Lambda has no process to show");
    }

    #[test]
    fn a_replay_of_a_day_has_no_night() {
        assert!(Night::telling(&Year::new(1, 1)).is_none());
    }
}
