//! Running many seeds, on several threads.

use std::{
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{invariant::Violation, run::Report, transitions::Transitions};

/// What many seeds have shown.
#[derive(Debug, Default)]
pub struct Findings {
    /// The seeds that were run.
    pub seeds: u64,
    /// How long they took together, on all threads.
    pub took: Duration,
    /// How many times a handler began.
    pub executions: u64,
    /// The changes of state that were seen.
    pub transitions: Transitions,
    /// The lowest seed that broke an invariant, and which.
    pub broken: Option<(u64, Violation)>,
}

impl Findings {
    /// Seeds in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.seeds as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// Seeds that one thread takes at a time.
const PORTION: u64 = 32;

/// Runs seeds until one breaks an invariant. All seeds below that one are run, so that it is the lowest.
///
/// # Errors
/// When a seed cannot be run.
pub fn run(
    seeds: Range<u64>,
    threads: usize,
    run: impl Fn(u64) -> std::io::Result<Report> + Sync,
) -> std::io::Result<Findings> {
    let began = Instant::now();
    let (next, is_over) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let findings = Mutex::new(Findings::default());
    let work = || -> std::io::Result<()> {
        let mut own = Findings::default();
        while !is_over.load(Ordering::Relaxed) && own.broken.is_none() {
            let from = next.fetch_add(PORTION, Ordering::Relaxed);
            if from >= seeds.end {
                break;
            }
            for seed in from..(from + PORTION).min(seeds.end) {
                let report = run(seed)?;
                own.seeds += 1;
                own.executions += report.executions;
                own.transitions.add(&report.transitions);
                if let Some(violation) = report.violation {
                    own.broken = Some((seed, violation));
                    is_over.store(true, Ordering::Relaxed);
                    break;
                }
            }
        }
        let mut all = findings.lock().unwrap_or_else(PoisonError::into_inner);
        all.seeds += own.seeds;
        all.executions += own.executions;
        all.transitions.add(&own.transitions);
        if let Some(broken) = own.broken
            && all.broken.as_ref().is_none_or(|(seed, _)| broken.0 < *seed)
        {
            all.broken = Some(broken);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread of the simulation panicked")))
        });
        joined.fold(own, Result::and)
    })?;
    let mut findings = findings.into_inner().unwrap_or_else(PoisonError::into_inner);
    findings.took = began.elapsed();
    Ok(findings)
}
