//! Measures the embedded engine beside other job queues, and writes docs/performance.md from the figures.
//!
//! Each peer runs with its defaults and with the settings that its documentation names for speed, in a process of its
//! own for each run, in turns with ours. All that it needs is fetched into `target`.

mod chart;
mod drive;
mod error;
mod figures;
mod lamplighter;
mod machine;
mod measure;
mod page;
mod place;
mod runs;
mod startup;
mod stats;
mod subjects;
mod tools;

use std::{process::ExitCode, time::Duration};

use clap::{Args, Parser, Subcommand};
use peers_driver::Options;

use crate::{measure::Plan, runs::Runs, subjects::PEERS};

/// Measure the embedded engine beside other job queues.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch, measure and write the page.
    All(Measured),
    /// Fetch and measure. Runs that are there already are kept, so that an interrupted measurement goes on.
    Measure(Measured),
    /// Write docs/performance.md and its pictures from the runs that are there.
    Page,
    /// Make one measurement of ours, as the drivers of the peers do of theirs.
    #[command(hide = true)]
    Lamplighter {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Measured {
    /// The peers, with commas between them; by default all.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = peer)]
    only: Vec<String>,
    /// The numbers of jobs that wait, with commas between them; 10k, 100k and 1M are numbers too.
    #[arg(long, alias = "jobs", value_name = "NUMBERS", value_delimiter = ',', value_parser = size)]
    #[arg(default_value = "10k,100k")]
    sizes: Vec<usize>,
    /// The number of measurements of each; the median counts.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
    /// How long a peer's jobs are run at the longest; by default 3 seconds for 10,000 jobs, 5 for 100,000, 60 for more. A
    /// backlog that takes longer is measured by the jobs that are done by then, and marked.
    #[arg(long, value_name = "SECONDS")]
    window: Option<u64>,
    /// Forget the runs that are there.
    #[arg(long)]
    fresh: bool,
}

fn peer(name: &str) -> Result<String, String> {
    let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
    match names.contains(&name) {
        true => Ok(name.to_owned()),
        false => Err(format!("the peers are {}", names.join(", "))),
    }
}

fn size(text: &str) -> Result<usize, String> {
    let lower = text.to_lowercase();
    let (digits, factor) = match lower.strip_suffix('k').map(|digits| (digits, 1_000)) {
        Some(found) => found,
        None => lower.strip_suffix('m').map_or((&*lower, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.replace('_', "").parse::<usize>().map_err(|error| error.to_string())?;
    number.checked_mul(factor).filter(|jobs| *jobs > 0).ok_or_else(|| "at least one job".to_owned())
}

fn measured(given: Measured) -> Result<Runs, error::Error> {
    let mut runs = Runs::open()?;
    if given.fresh {
        runs.clear()?;
    }
    let window = given.window.map(Duration::from_secs);
    let plan = Plan { only: given.only, sizes: given.sizes, rounds: given.rounds.max(1), window };
    measure::measure(&plan, &mut runs)?;
    Ok(runs)
}

fn run(command: Command) -> Result<(), peers_driver::Error> {
    match command {
        Command::All(given) => Ok(page::write(&measured(given)?)?),
        Command::Measure(given) => Ok(measured(given).map(drop)?),
        Command::Page => Ok(page::write(&Runs::open()?)?),
        Command::Lamplighter { arguments } => {
            let options = Options::read(arguments.into_iter())?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(lamplighter::drive(&options))?;
            // What a window has cut off need not end.
            runtime.shutdown_background();
            Ok(())
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_a_suffix() {
        assert_eq!(size("10k"), Ok(10_000));
        assert_eq!(size("1M"), Ok(1_000_000));
        assert_eq!(size("2_500"), Ok(2_500));
        assert!(size("0").is_err() && size("many").is_err() && size("k").is_err());
    }

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
        assert!(peer("huey").is_ok() && peer("quirrel").is_err());
    }
}
