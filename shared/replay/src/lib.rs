//! A year of background jobs, replayed on several hosts.
//!
//! The question is an old one: what happens to the jobs of a library that runs inside of a web process? This crate
//! answers it for a site whose year is generated from a seed: requests by day and hardly any by night, deployments,
//! crashes, and jobs of all lengths, some from schedules. The same year is played on every host of [`hosts::ALL`], in
//! virtual time:
//!
//! - a model of an in-process library in the style of Hangfire's defaults, in IIS and in processes of its own;
//! - Lamplighter's hosts: the embedded engine, the worker, Azure Functions, Lambda.
//!
//! Two models are separate, and meet in a simulation of single jobs. A *lifecycle* determines when a process is alive,
//! independent of jobs. A *library* determines who notices that a job is due, how it stops, and when it finds the jobs
//! of a dead process again. Each number is in [`numbers`], with its source.
//!
//! # Limits of the model
//!
//! Databases and queues are always available. Disks survive. There is one machine, or one task, or one app at a time.
//! Jobs wait only for a worker. Hangfire is the free version with SQL Server, its defaults unchanged; code inside jobs
//! is as idempotent on one host as on another. On .NET Framework an aborted thread may release its job at once, where
//! the model waits until it is found again.

mod clock;
mod events;
pub mod hosts;
mod library;
mod lifecycle;
mod night;
pub mod numbers;
mod outcome;
mod picture;
mod random;
mod simulation;
mod sweep;
mod year;

pub use self::{
    clock::{Moment, span},
    outcome::Outcome,
    sweep::Sweep,
};

use crate::{night::Night, year::Year};

/// The default number of days of a replay: a year of whole weeks.
pub const DAYS: u64 = 364;

/// One year on all hosts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replay {
    /// The seed of its year.
    pub seed: u64,
    /// Its number of days.
    pub days: u64,
    /// The results, in the order of [`hosts::ALL`].
    pub outcomes: Vec<Outcome>,
    year: Year,
}

impl Replay {
    /// Plays the year of this seed, with this many days, at least one.
    #[must_use]
    pub fn run(seed: u64, days: u64) -> Self {
        let year = Year::new(seed, days.max(1));
        let outcomes = hosts::ALL.iter().map(|host| host.play(&year, &(0..0)).outcome).collect();
        Self { seed, days: days.max(1), outcomes, year }
    }

    /// Returns a picture of it, as SVG: one night, and the year's figures. `None` if its days contain no night.
    #[must_use]
    pub fn picture(&self) -> Option<String> {
        let night = Night::telling(&self.year)?;
        Some(picture::draw(self, &night))
    }
}

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_accounted_for_on_every_host() {
        for outcome in Replay::run(1, 56).outcomes {
            assert_eq!(outcome.jobs, outcome.done + outcome.missed + outcome.lost, "{outcome:?}");
            assert!(outcome.jobs > 20_000 && outcome.lost == 0, "{outcome:?}");
        }
    }

    #[test]
    fn a_seed_determines_the_figures() {
        assert_eq!(Replay::run(5, 14).outcomes, Replay::run(5, 14).outcomes);
        assert_ne!(Replay::run(5, 14).outcomes, Replay::run(6, 14).outcomes);
    }
}
