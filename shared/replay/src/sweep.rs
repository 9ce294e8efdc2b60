//! Replays of many years.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError, atomic::AtomicU64, atomic::Ordering},
    thread,
};

use crate::{Outcome, Replay};

/// The worst of many years, figure by figure, on each host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sweep {
    /// The number of years.
    pub seeds: u64,
    /// The worst of each figure, in the order of [`hosts::ALL`](crate::hosts::ALL).
    pub worst: Vec<Outcome>,
    /// The first seed whose year lost a job on one of Lamplighter's hosts, with the host's name.
    pub lost: Option<(u64, &'static str)>,
}

impl Sweep {
    /// Plays the years of `seeds` seeds from `first` on, as many concurrently as there are processors.
    #[must_use]
    pub fn run(first: u64, seeds: u64, days: u64) -> Self {
        let next = AtomicU64::new(0);
        let sum = Mutex::new(Self { seeds: 0, worst: Vec::new(), lost: None });
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(|| {
                    while let Some(seed) = claim(&next, seeds) {
                        let replay = Replay::run(first.wrapping_add(seed), days);
                        sum.lock().unwrap_or_else(PoisonError::into_inner).add(&replay);
                    }
                });
            }
        });
        sum.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&mut self, replay: &Replay) {
        self.seeds += 1;
        let lost = replay.outcomes.iter().find(|outcome| outcome.ours && outcome.lost > 0);
        let lost = lost.map(|outcome| (replay.seed, outcome.host));
        self.lost = [self.lost, lost].into_iter().flatten().min();
        self.worst = match std::mem::take(&mut self.worst) {
            none if none.is_empty() => replay.outcomes.clone(),
            worst => worst.into_iter().zip(&replay.outcomes).map(|(worst, one)| worst.worst(*one)).collect(),
        };
    }
}

fn claim(next: &AtomicU64, seeds: u64) -> Option<u64> {
    let seed = next.fetch_add(1, Ordering::Relaxed);
    (seed < seeds).then_some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_many_years_does_not_depend_on_their_order() {
        let sweep = Sweep::run(3, 4, 7);
        let years: Vec<_> = (3..7).map(|seed| Replay::run(seed, 7).outcomes).collect();
        for (host, worst) in sweep.worst.iter().enumerate() {
            assert_eq!(worst.late, years.iter().map(|year| year[host].late).max().unwrap());
            assert_eq!(worst.longest_delay, years.iter().map(|year| year[host].longest_delay).max().unwrap());
        }
        assert_eq!((sweep.seeds, sweep.lost), (4, None));
    }

    #[test]
    fn a_lost_job_of_ours_is_reported_with_its_first_seed() {
        let mut sweep = Sweep { seeds: 0, worst: Vec::new(), lost: None };
        for (seed, ours) in [(9, true), (4, true), (2, false)] {
            let mut replay = Replay::run(seed, 1);
            let outcome = replay.outcomes.iter_mut().find(|outcome| outcome.ours == ours).unwrap();
            outcome.lost = 1;
            sweep.add(&replay);
        }
        assert_eq!(sweep.lost.map(|(seed, _)| seed), Some(4));
    }
}
