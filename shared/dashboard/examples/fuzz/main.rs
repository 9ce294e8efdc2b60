//! Throws garbage at the dashboard: `cargo run --release -p lamplighter-dashboard --example fuzz -- --seconds 600 [--seed 7]`.
//!
//! No answer may be a failure of the server, none may lack the security headers, no page may have markup from a request or from
//! a record, and nothing may panic. Each request is made from the seed and its number alone: `--from NUMBER --requests 1` sends
//! that one again, though to a shop to which nothing was done before it.

mod check;
#[path = "../showcase/history.rs"]
mod history;
mod run;
#[path = "../showcase/shop.rs"]
mod shop;
mod throw;
mod words;

use std::{process::ExitCode, sync::atomic::Ordering, time::Duration};

use run::{Outcome, Plan};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let plan = plan(std::env::args().skip(1))?;
    // One kind of job panics on purpose, before anything is counted.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let outcome = runtime.block_on(async {
        let (router, backend) = run::dashboard().await?;
        let _ = std::panic::take_hook();
        count_panics();
        let thrower = throw::Thrower::new(plan.seed, run::seeds(&router, &backend).await?);
        Ok::<_, Box<dyn std::error::Error>>(run::throw(&router, &thrower, plan).await)
    })?;
    report(plan, &outcome);
    Ok(if outcome.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Counts panics from here on, and says where each was.
fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        run::PANICS.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
}

fn plan(mut arguments: impl Iterator<Item = String>) -> Result<Plan, Box<dyn std::error::Error>> {
    let mut plan = Plan { seed: 7, from: 0, requests: u64::MAX, time: Duration::from_secs(60) };
    while let Some(name) = arguments.next() {
        let value: u64 = arguments.next().ok_or_else(|| format!("{name} needs a number"))?.parse()?;
        match &*name {
            "--seconds" => plan.time = Duration::from_secs(value),
            "--seed" => plan.seed = value,
            "--from" => plan.from = value,
            "--requests" => plan.requests = value,
            _ => return Err(format!("{name} is none of --seconds, --seed, --from, --requests").into()),
        }
    }
    Ok(plan)
}

#[allow(clippy::print_stdout, reason = "the caller reads it")]
fn report(plan: Plan, outcome: &Outcome) {
    let Outcome { sent, statuses, slowest, wrong } = outcome;
    println!("{sent} requests of seed {}; answers by status: {statuses:?}", plan.seed);
    println!("the slowest answer, to number {}, took {} ms", slowest.1, slowest.0.as_millis());
    for wrong in wrong {
        println!("{wrong}");
    }
    println!("{} wrong", wrong.len());
}
