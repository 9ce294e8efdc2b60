//! `lamp replay`.

use std::{fs, path::PathBuf};

use clap::Args;
use comfy_table::{CellAlignment, Color};
use lamplighter_replay::{DAYS, Outcome, Replay as Played, Sweep, hosts, span};
use serde::Serialize;

use crate::{
    database::at_home,
    error::{Error, reason},
    output::{self, FAINT, GOOD, STRONG, cell},
};

/// Replay a simulated year of jobs in IIS, in processes and services, and on Lamplighter's hosts.
///
/// The year is generated from a seed: requests by day and hardly any by night, deployments, crashes, and jobs of all
/// lengths. A model of an in-process library with defaults like Hangfire's runs in IIS and outside of it. The command
/// connects to nothing, and opens no jobs file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp replay --seed 1 --picture replay.svg
  lamp replay --seeds 1000")]
pub(crate) struct Replay {
    /// The seed of the year: the same seed generates the same year.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Replay this many years, with the seeds from --seed on, and show the worst of each figure. Fails if one of
    /// Lamplighter's hosts has lost a job.
    #[arg(long, value_name = "N", conflicts_with = "picture", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: Option<u64>,
    /// The number of days in a year.
    #[arg(long, value_name = "N", default_value_t = DAYS, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    /// Draw one night of the year and its figures, as SVG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print one host per line as JSON.
    #[arg(long)]
    json: bool,
}

/// A host's figures as `--json` shows them.
#[derive(Serialize)]
struct View<'a> {
    first_seed: u64,
    seeds: u64,
    days: u64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// The meaning of each column, in the order of the columns.
const COLUMNS: [(&str, &str); 10] = [
    ("done", "jobs that succeeded; of several missed ticks of a schedule, one runs"),
    ("late", "began more than 5 minutes after they were due"),
    ("nightly", "of these, runs of the three nightly schedules"),
    ("missed", "ticks of a schedule that had no run of their own"),
    ("lost", "never succeeded, though nothing went wrong for a week"),
    ("again", "attempts that the host cut off, and that began again from the start"),
    ("twice", "jobs that ran to their end twice"),
    ("stuck", "all the time that due jobs waited for a process, or for something dead that still held them"),
    ("longest", "the longest such time of one job"),
    ("delay", "the longest time from a job's being due to its first beginning"),
];

impl Replay {
    pub(super) fn run(self) -> Result<(), Error> {
        match self.seeds {
            Some(seeds) => self.many(seeds),
            None => self.one(),
        }
    }

    fn one(self) -> Result<(), Error> {
        let replay = Played::run(self.seed, self.days);
        if let Some(file) = &self.picture {
            draw(&replay, file)?;
        }
        if self.json {
            return self.json(1, &replay.outcomes);
        }
        output::print(|out| {
            let jobs = replay.outcomes.first().map_or(0, |outcome| outcome.jobs);
            writeln!(out, "{STRONG}{} days, {jobs} jobs and ticks, seed {}{STRONG:#}\n", replay.days, replay.seed)
        })?;
        table(&replay.outcomes)?;
        output::print(|out| {
            writeln!(out)?;
            COLUMNS.iter().try_for_each(|(name, meaning)| writeln!(out, "{name:8} {FAINT}{meaning}{FAINT:#}"))?;
            writeln!(out)?;
            let remark = |host: &hosts::Host| format!("{:36} {FAINT}{}{FAINT:#}", host.name, host.remark);
            hosts::ALL.iter().try_for_each(|host| writeln!(out, "{}", remark(host)))
        })
    }

    fn many(self, seeds: u64) -> Result<(), Error> {
        let sweep = Sweep::run(self.seed, seeds, self.days);
        if self.json {
            self.json(sweep.seeds, &sweep.worst)?;
        } else {
            output::print(|out| {
                let (from, to) = (self.seed, self.seed.saturating_add(seeds - 1));
                let days = self.days;
                writeln!(
                    out,
                    "{STRONG}{seeds} times {days} days, seeds {from} to {to}: the worst of each figure{STRONG:#}\n"
                )
            })?;
            table(&sweep.worst)?;
        }
        match sweep.lost {
            Some((seed, host)) => Err(Error::failed(format_args!(
                "{host} lost a job in the year of seed {seed}; `lamp replay --seed {seed}` shows it"
            ))),
            None if self.json => Ok(()),
            None => output::print(|out| writeln!(out, "\n{GOOD}no host of Lamplighter's lost a job{GOOD:#}")),
        }
    }

    fn json(&self, seeds: u64, outcomes: &[Outcome]) -> Result<(), Error> {
        let view = |outcome| View { first_seed: self.seed, seeds, days: self.days, outcome };
        output::json_lines(outcomes.iter().map(view))
    }
}

fn draw(replay: &Played, file: &std::path::Path) -> Result<(), Error> {
    let Some(picture) = replay.picture() else {
        return Err(Error::Usage("there is no whole night in that to draw; ask for --days 2 or more".into()));
    };
    let named = at_home(file).map_err(|why| Error::Usage(format!("--picture {}: {why}", file.display())))?;
    fs::write(named, picture).map_err(|error| {
        Error::failed(format_args!(
            "cannot write {}: {}; name another file with --picture",
            file.display(),
            reason(&error)
        ))
    })
}

fn table(outcomes: &[Outcome]) -> Result<(), Error> {
    let headers: Vec<_> = ["host"].into_iter().chain(COLUMNS.map(|(name, _)| name)).collect();
    let mut table = output::table(&headers);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for outcome in outcomes {
        let lost = cell(outcome.lost);
        table.add_row([
            cell(outcome.host),
            cell(outcome.done),
            cell(outcome.late),
            cell(outcome.late_nightly),
            cell(outcome.missed),
            if outcome.lost > 0 { lost.fg(Color::Red) } else { lost },
            cell(outcome.begun_again),
            cell(outcome.ran_twice),
            cell(span(outcome.stuck)),
            cell(span(outcome.longest_stuck)),
            cell(span(outcome.longest_delay)),
        ]);
    }
    output::print_table(&table)
}
