//! One year, the same for all hosts: requests, jobs, and troubles.

mod traffic;
mod trouble;
mod work;

pub(crate) use self::{
    trouble::{Trouble, TroubleKind},
    work::{Job, Origin, SCHEDULES},
};

use crate::{
    clock::{DAY, Moment, WEEK},
    random::Random,
};

/// The events of a year, the same on any host.
#[derive(Debug)]
pub(crate) struct Year {
    /// The end of the jobs. Requests continue for a week, in which nothing is enqueued and no trouble happens: jobs
    /// that are not done then are lost.
    pub(crate) end: Moment,
    /// Web requests, in order.
    pub(crate) requests: Vec<Moment>,
    /// Troubles, in the order of their moments.
    pub(crate) troubles: Vec<Trouble>,
    /// Jobs, in the order of their due times.
    pub(crate) jobs: Vec<Job>,
}

impl Year {
    /// Generates a year of this many days, from this seed.
    pub(crate) fn new(seed: u64, days: u64) -> Self {
        let end = days * DAY;
        let mut seed = Random::new(seed);
        let (traffic, trouble, mut work) = (seed.split(), seed.split(), seed.split());
        let troubles = trouble::troubles(trouble, end);
        let requests = traffic::requests(traffic, end + WEEK, &troubles);
        let jobs = work::jobs(&mut work, end, &requests);
        Self { end, requests, troubles, jobs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::is_weekend;

    #[test]
    fn a_seed_is_a_year() {
        let [one, same, other] = [1, 1, 2].map(|seed| Year::new(seed, 30));
        assert_eq!((&one.requests, &one.troubles, &one.jobs), (&same.requests, &same.troubles, &same.jobs));
        assert_ne!(one.requests, other.requests);
        assert!(one.jobs.is_sorted_by_key(|job| job.due) && one.requests.is_sorted());
    }

    #[test]
    fn nights_and_weekends_are_idle() {
        let year = Year::new(1, 364);
        let count =
            |fits: &dyn Fn(Moment) -> bool| year.requests.iter().filter(|at| **at < year.end && fits(**at)).count();
        let hour = |at: Moment| at % DAY / crate::clock::HOUR;
        let noon = count(&|at| !is_weekend(at) && hour(at) == 12);
        assert!((260 * 35..260 * 45).contains(&noon), "{noon}");
        assert!(count(&|at| hour(at) == 2) < 60);
        assert!(count(&is_weekend) < year.requests.len() / 20);
    }

    #[test]
    fn troubles_are_about_as_frequent_as_assumed() {
        let count = |kind: fn(&TroubleKind) -> bool| {
            let years = (0..20).map(|seed| Year::new(seed, 364));
            years.map(|year| year.troubles.iter().filter(|trouble| kind(&trouble.kind)).count()).sum::<usize>()
        };
        assert!((1900..2260).contains(&count(|kind| *kind == TroubleKind::Deployment)));
        assert!((190..290).contains(&count(|kind| *kind == TroubleKind::Crash)));
        assert!((80..160).contains(&count(|kind| matches!(kind, TroubleKind::MachineFailure { .. }))));
    }

    #[test]
    fn no_request_is_answered_during_an_outage() {
        let year = Year::new(3, 364);
        for trouble in &year.troubles {
            if let TroubleKind::MachineFailure { until } = trouble.kind {
                assert!(!year.requests.iter().any(|at| (trouble.at..until).contains(at)));
            }
        }
    }
}
