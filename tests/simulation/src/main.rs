//! Runs seeds of the simulation.
//!
//! ```sh
//! cargo run -p lamplighter-simulation -- --seeds 0..100000 --threads 2    # many; ends at the first that breaks an invariant
//! cargo run -p lamplighter-simulation -- --seed 4711 --story              # one, with everything that happened
//! cargo run -p lamplighter-simulation -- --engine --seeds 0..1000         # over the embedded engine
//! cargo run -p lamplighter-simulation -- --mutant fence-dropped           # with a fault built into the models
//! ```

use std::{
    io::{self, Write},
    ops::Range,
    process::ExitCode,
};

use lamplighter_simulation::{Invariant, Mutant, Report, campaign, engine, worker};

/// What the arguments say.
#[derive(Debug)]
struct Args {
    seeds: Range<u64>,
    is_story: bool,
    is_engine: bool,
    threads: usize,
    mutant: Option<Mutant>,
}

const USAGE: &str =
    "usage: lamplighter-simulation [--engine] [--mutant NAME] [--seed N [--story] | --seeds A..B [--threads N]]
       lamplighter-simulation --mutants | --invariants";

/// What an argument that is no number gets.
fn number(text: Option<String>) -> Result<u64, String> {
    let text = text.ok_or("a number is missing")?;
    text.parse().map_err(|_| format!("{text:?} is not a number"))
}

impl Args {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self { seeds: 0..10_000, is_story: false, is_engine: false, threads: 1, mutant: None };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seed" => {
                    let seed = number(words.next())?;
                    args.seeds = seed..seed.saturating_add(1);
                }
                "--seeds" => {
                    let text = words.next().ok_or("--seeds takes a range, such as 0..1000")?;
                    let (from, to) = text.split_once("..").ok_or("--seeds takes a range, such as 0..1000")?;
                    args.seeds = number(Some(from.into()))?..number(Some(to.into()))?;
                }
                "--threads" => args.threads = usize::try_from(number(words.next())?).unwrap_or(1),
                "--story" => args.is_story = true,
                "--engine" => args.is_engine = true,
                "--mutant" => {
                    let name = words.next().ok_or("--mutant takes a name")?;
                    args.mutant = Some(name.parse().map_err(|error| format!("{error}"))?);
                }
                other => return Err(format!("{other:?} is unknown")),
            }
        }
        if args.is_engine && args.mutant.is_some() {
            return Err("mutants are of the models; the engine has patches: see tests/simulation/mutate".into());
        }
        Ok(args)
    }

    fn run(&self, seed: u64, is_told: bool) -> io::Result<Report> {
        if self.is_engine { engine::engine(seed, is_told) } else { worker(seed, self.mutant, is_told) }
    }

    /// The command that replays a seed.
    fn replay(&self, seed: u64) -> String {
        let engine = if self.is_engine { "--engine " } else { "" };
        let mutant = self.mutant.map(|mutant| format!("--mutant {mutant} ")).unwrap_or_default();
        format!("cargo run -p lamplighter-simulation -- {engine}{mutant}--seed {seed} --story")
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut out = io::stdout().lock();
    let listed = match words.first().map(String::as_str) {
        Some("--mutants") => Mutant::ALL.iter().try_for_each(|mutant| writeln!(out, "{mutant}")),
        Some("--invariants") => Invariant::ALL.iter().try_for_each(|invariant| writeln!(out, "{invariant}")),
        _ => {
            return match Args::read(words.into_iter()) {
                Ok(args) => run(&args, &mut out).unwrap_or_else(|error| {
                    let _ = writeln!(io::stderr(), "error: {error}");
                    ExitCode::FAILURE
                }),
                Err(error) => {
                    let _ = writeln!(io::stderr(), "error: {error}\n{USAGE}");
                    ExitCode::from(2)
                }
            };
        }
    };
    if listed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(args: &Args, out: &mut impl Write) -> io::Result<ExitCode> {
    if args.is_story {
        let report = args.run(args.seeds.start, true)?;
        write!(out, "{}", report.story)?;
        return Ok(match report.violation {
            Some(violation) => {
                writeln!(out, "\nseed {} breaks {violation}", args.seeds.start)?;
                ExitCode::FAILURE
            }
            None => ExitCode::SUCCESS,
        });
    }
    let findings = campaign::run(args.seeds.clone(), args.threads, |seed| args.run(seed, false))?;
    let (seeds, took) = (findings.seeds, findings.took.as_secs_f64());
    writeln!(out, "{seeds} seeds in {took:.1} s, {:.0} a second; {} executions", findings.rate(), findings.executions)?;
    write!(out, "{}", findings.transitions)?;
    Ok(match findings.broken {
        Some((seed, violation)) => {
            writeln!(out, "\nseed {seed} breaks {violation}\n{}", args.replay(seed))?;
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    })
}
