//! Seeds that run with every change. Many more: `cargo run -p lamplighter-simulation -- --seeds 0..1000000 --threads 8`.
#![allow(clippy::panic, clippy::print_stdout, reason = "helpers of tests may")]

use lamplighter::JobState;
use lamplighter_simulation::{
    campaign::{self, Findings},
    engine, worker,
};

/// Seeds over the worker, and over the embedded engine, which has a file to write.
const WORKER: u64 = 100_000;
const ENGINE: u64 = 300;

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn assert_holds(findings: &Findings, engine: &str) {
    if let Some((seed, violation)) = &findings.broken {
        panic!("seed {seed} breaks {violation}\ncargo run -p lamplighter-simulation -- {engine}--seed {seed} --story");
    }
    println!("{} seeds, {:.0} a second", findings.seeds, findings.rate());
    print!("{}", findings.transitions);
}

/// The changes that no seed has shown, out of those that are documented.
fn unseen(findings: &Findings) -> Vec<(JobState, JobState)> {
    JobState::TRANSITIONS.iter().copied().filter(|(from, to)| findings.transitions.seen(*from, *to) == 0).collect()
}

#[test]
fn every_invariant_holds_over_the_worker() {
    let findings = campaign::run(0..WORKER, threads(), |seed| worker(seed, None, false)).unwrap();
    assert_holds(&findings, "");
    // What was never claimed fails only where the queue itself keeps records: in the embedded engine.
    assert_eq!(unseen(&findings), [(JobState::Queued, JobState::Failed)]);
}

#[test]
fn every_invariant_holds_over_the_embedded_engine() {
    let findings = campaign::run(0..ENGINE, threads(), |seed| engine::engine(seed, false)).unwrap();
    assert_holds(&findings, "--engine ");
    assert!(findings.executions > ENGINE);
}

#[test]
fn a_seed_tells_the_same_story_again() {
    for seed in 0..200 {
        let (first, second) = (worker(seed, None, true).unwrap(), worker(seed, None, true).unwrap());
        assert_eq!(first.story.to_string(), second.story.to_string(), "seed {seed}");
        assert_eq!(first, second);
    }
}
