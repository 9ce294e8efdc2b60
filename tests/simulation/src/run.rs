//! One seed over the worker: from its plan to the end, in virtual time.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    dice::Dice,
    faults::Faults,
    host::Host,
    invariant::{Invariant, Violation},
    mutant::Mutant,
    plan::Plan,
    producer::{Producer, is_own},
    story::Story,
    transitions::Transitions,
    world::{Sim, World},
};

/// How long after the last fault everything must have ended: many times the longest wait that there is, which is a visibility
/// timeout, a lease under a wrong clock, or the delay of a retry.
const PATIENCE: u64 = 60 * 60 * 1000;

/// What is known about a seed when it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// What happened, if it was to be told.
    pub story: Story,
    /// The changes of state that were seen.
    pub transitions: Transitions,
    /// How many times a handler began.
    pub executions: u64,
}

/// Runs a seed over the real worker, with models of the services. With a mutant, something in them is wrong on purpose.
///
/// # Errors
/// When the runtime cannot be built.
pub fn worker(seed: u64, mutant: Option<Mutant>, is_told: bool) -> std::io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(simulate(seed, mutant, is_told)))
}

async fn simulate(seed: u64, mutant: Option<Mutant>, is_told: bool) -> Report {
    let plan = Plan::of(seed);
    let faults = Faults::new(plan.profile.clone(), plan.calm_at, Dice::new(seed, 2));
    let sim = Sim::new(plan, faults, mutant, is_told);
    sim.with(|world| {
        let plan = sim.plan.clone();
        world.tell("plan", || format!("{} hosts, faults until {} ms: {:?}", plan.hosts, plan.calm_at, plan.profile));
        for (number, job) in plan.jobs.iter().enumerate() {
            world.tell("plan", || format!("job {number}: {job:?}"));
        }
        for batch in &plan.batches {
            world.tell("plan", || format!("{batch:?}"));
        }
    });
    let producer = Producer::new(&sim, seed);
    for (number, job) in sim.plan.jobs.iter().enumerate().filter(|(_, job)| is_own(job)) {
        tokio::spawn(producer.clone().enqueue(number, job.clone()));
    }
    for (number, batch) in sim.plan.batches.iter().enumerate() {
        tokio::spawn(producer.clone().enqueue_batch(number, batch.clone()));
    }
    for (at, noise) in &sim.plan.noise {
        tokio::spawn(producer.clone().noise(*at, *noise));
    }
    for number in 0..sim.plan.hosts {
        tokio::spawn(Host::new(sim.clone(), number, seed).run());
    }
    let maintained = sim.clone();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(60)).await;
            maintained.with(World::maintain);
            maintained.changed.notify_waiters();
        }
    });
    let calm_at = sim.plan.calm_at.max(80_000);
    loop {
        let now = sim.now();
        let is_over = sim.with(|world| {
            let is_quiet = now > calm_at && world.is_quiet();
            if is_quiet {
                world.check_end();
            } else if now > calm_at + PATIENCE {
                let text = waiting(world);
                world.ledger.violates(Invariant::NothingStarves, text);
            }
            is_quiet || world.ledger.violation().is_some()
        });
        if is_over {
            break;
        }
        sleep(Duration::from_secs(if now > calm_at { 20 } else { 5 })).await;
    }
    sim.with(|world| Report {
        violation: world.ledger.violation().cloned(),
        story: std::mem::take(&mut world.story),
        transitions: std::mem::take(&mut world.ledger.transitions),
        executions: world.ledger.executions,
    })
}

/// What still waits.
fn waiting(world: &World) -> String {
    let open = world.ledger.jobs.iter().find(|(_, book)| book.state.is_some_and(|state| !state.is_final()));
    match open.and_then(|(id, book)| Some((id, book.state?))) {
        Some((id, state)) => format!("{id} is still {state}, an hour after the last fault"),
        None => "a message is still on its queue, an hour after the last fault".into(),
    }
}
