//! The jobs: immediate, delayed, and from schedules.

use std::ops::Range;

use crate::{
    clock::{DAY, HOUR, MINUTE, Moment, WEEK, ms, next_step, range},
    numbers::{aws, site},
    random::Random,
};

/// One job, as the application sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Job {
    /// When it should begin.
    pub(crate) due: Moment,
    pub(crate) origin: Origin,
    /// Its duration, if it is not interrupted.
    pub(crate) work: u64,
    /// Whether it ends when it is notified that its host stops.
    pub(crate) heeds_cancellation: bool,
    /// The number of attempts that fail by themselves before one succeeds.
    pub(crate) failures: u32,
    /// The seed of its random numbers, the same on every host.
    pub(crate) luck: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A request enqueued it, to run at once.
    Request,
    /// A request enqueued it, to run this much later.
    Delayed(u64),
    /// A tick of one of the [`SCHEDULES`].
    Tick(usize),
}

impl Job {
    /// Returns whether it is a job whose result a team expects in the morning.
    pub(crate) fn is_nightly(&self) -> bool {
        matches!(self.origin, Origin::Tick(schedule) if SCHEDULES[schedule].nightly)
    }

    /// Returns whether it is too long for Lambda, by its definition's timeout.
    pub(crate) fn is_too_long_for_lambda(&self) -> bool {
        let longest = match self.origin {
            Origin::Tick(schedule) => SCHEDULES[schedule].work.1,
            Origin::Request | Origin::Delayed(_) => self.work,
        };
        longest > ms(aws::LAMBDA_LIMIT)
    }

    /// Returns a number in `0.0..1.0` for one purpose, the same on every host.
    pub(crate) fn unit(&self, purpose: u64) -> f64 {
        Random::new(self.luck.wrapping_add(purpose)).unit()
    }
}

/// A recurring job.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Its name in the picture.
    pub(crate) name: &'static str,
    first: Moment,
    every: u64,
    work: (u64, u64),
    heeds_cancellation: bool,
    pub(crate) nightly: bool,
}

impl Schedule {
    /// Returns its name without its times.
    pub(crate) fn short_name(&self) -> &'static str {
        self.name.split_once(',').map_or(self.name, |(short, _)| short)
    }

    /// Returns its due times in this range.
    pub(crate) fn dues(&self, within: Range<Moment>) -> impl Iterator<Item = Moment> {
        (next_step(self.first, self.every, within.start)..within.end).step_by(self.every as usize)
    }
}

/// The recurring jobs of the site: an assumption.
pub(crate) const SCHEDULES: [Schedule; 5] = [
    Schedule {
        name: "sync, every 5 minutes",
        first: 0,
        every: 5 * MINUTE,
        work: (2_000, 15_000),
        heeds_cancellation: true,
        nightly: false,
    },
    Schedule {
        name: "digest, hourly",
        first: 7 * MINUTE,
        every: HOUR,
        work: (20_000, MINUTE),
        heeds_cancellation: true,
        nightly: false,
    },
    Schedule {
        name: "report, 02:00",
        first: 2 * HOUR,
        every: DAY,
        work: (25 * MINUTE, 40 * MINUTE),
        heeds_cancellation: true,
        nightly: true,
    },
    Schedule {
        name: "clean-up, 03:30",
        first: 3 * HOUR + 30 * MINUTE,
        every: DAY,
        work: (3 * MINUTE, 4 * MINUTE),
        heeds_cancellation: false,
        nightly: true,
    },
    Schedule {
        name: "archive, Sundays 04:00",
        first: 6 * DAY + 4 * HOUR,
        every: WEEK,
        work: (45 * MINUTE, HOUR),
        heeds_cancellation: true,
        nightly: true,
    },
];

pub(super) fn jobs(random: &mut Random, end: Moment, requests: &[Moment]) -> Vec<Job> {
    let mut jobs: Vec<_> = ticks(random, end).collect();
    for request in requests.iter().take_while(|request| **request < end) {
        if random.chance(site::ENQUEUES) {
            jobs.push(enqueued(random, *request));
        }
    }
    jobs.sort_by_key(|job| job.due);
    jobs
}

fn ticks(random: &mut Random, end: Moment) -> impl Iterator<Item = Job> {
    SCHEDULES.iter().enumerate().flat_map(move |(index, schedule)| {
        let mut random = random.split();
        schedule.dues(0..end).map(move |due| Job {
            due,
            origin: Origin::Tick(index),
            work: random.between(schedule.work),
            heeds_cancellation: schedule.heeds_cancellation,
            failures: failures(&mut random),
            luck: random.next(),
        })
    })
}

fn enqueued(random: &mut Random, at: Moment) -> Job {
    let delay = random.chance(site::DELAYED).then(|| random.spread(range(site::DELAYS)));
    let size = random.unit();
    let work = if size < site::LONG_JOBS {
        random.between(range(site::LONG))
    } else if size < site::LONG_JOBS + site::MEDIUM_JOBS {
        random.spread(range(site::MEDIUM))
    } else {
        random.spread(range(site::SHORT))
    };
    Job {
        due: at + delay.unwrap_or(0),
        origin: delay.map_or(Origin::Request, Origin::Delayed),
        work,
        heeds_cancellation: random.chance(site::HEEDS_CANCELLATION),
        failures: failures(random),
        luck: random.next(),
    }
}

fn failures(random: &mut Random) -> u32 {
    (0..2).take_while(|_| random.chance(site::FAILS)).count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{numbers::ours, year::Year};

    #[test]
    fn jobs_of_every_kind_are_generated() {
        let jobs = Year::new(1, 364).jobs;
        let count = |fits: &dyn Fn(&Job) -> bool| jobs.iter().filter(|job| fits(job)).count();
        assert_eq!(count(&|job| job.origin == Origin::Tick(0)), 364 * 288);
        assert_eq!(count(&Job::is_nightly), 364 * 2 + 52);
        let delayed = count(&|job| matches!(job.origin, Origin::Delayed(_)));
        let at_once = count(&|job| job.origin == Origin::Request);
        assert!((at_once / 16..at_once / 9).contains(&delayed), "{delayed} of {at_once}");
        assert!(count(&|job| job.failures > 0) > 500 && jobs.iter().all(|job| job.failures <= 2));
        // Long jobs run on a worker; the others have a function's timeout.
        assert!(count(&Job::is_too_long_for_lambda) > 364 + 52);
        assert!(
            jobs.iter().filter(|job| !job.is_too_long_for_lambda()).all(|job| job.work < ms(ours::FUNCTION_TIMEOUT))
        );
    }
}
