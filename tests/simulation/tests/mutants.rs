//! A simulation is worth what it finds: each fault that is built into the models breaks an invariant within a few seeds, and
//! each invariant is broken by one of them.

use std::collections::BTreeSet;

use lamplighter_simulation::{Invariant, Mutant, campaign, worker};

/// The number of seeds within which each mutant is caught.
const WITHIN: u64 = 5_000;

/// Where to begin: a claim that is late enough is rare.
fn first_seed(mutant: Mutant) -> u64 {
    if mutant == Mutant::LateClaimGranted { 65_000 } else { 0 }
}

#[test]
fn every_mutant_is_caught() {
    let mut caught_by = BTreeSet::new();
    let mut missed = Vec::new();
    println!("{:<26} {:<24} {:>6}", "mutant", "invariant", "seed");
    for &mutant in Mutant::ALL {
        let findings =
            campaign::run(first_seed(mutant)..first_seed(mutant) + WITHIN, 2, |seed| worker(seed, Some(mutant), false))
                .unwrap();
        match findings.broken {
            Some((seed, violation)) => {
                println!("{:<26} {:<24} {seed:>6}", mutant.name(), violation.invariant.name());
                caught_by.insert(violation.invariant);
            }
            None => missed.push(mutant.name()),
        }
    }
    assert!(missed.is_empty(), "not caught within {WITHIN} seeds: {missed:?}");
    // The others are broken by mutants of the product itself: see `tests/simulation/mutate`.
    let unbroken: Vec<_> = Invariant::ALL.into_iter().filter(|invariant| !caught_by.contains(invariant)).collect();
    assert_eq!(unbroken, [], "no mutant breaks these first");
}
