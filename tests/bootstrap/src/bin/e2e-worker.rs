//! The same function on a worker: polls its queues until the lifecycle of its environment ends it.

use std::{error::Error, process, time::Duration};

use lamplighter::{
    Queue,
    host::{Host, Stop},
};
use lamplighter_aws::{AwsBackend, PollerSettings, SqsPoller};
use lamplighter_hosts::{Detect, detect};
use tokio::runtime::Builder;

/// How many seconds running jobs have to end.
const DRAIN: &str = "E2E_DRAIN";
/// The address of health checks.
const HEALTH: &str = "E2E_HEALTH";

fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name| std::env::var(name).ok();
    let drain = Duration::from_secs(variable(DRAIN).map_or(Ok(60), |seconds| seconds.parse())?);
    let mut settings = PollerSettings::default();
    // What a killed worker held comes back soon, and a drain waits for an empty receive.
    (settings.lease, settings.wait) = (Duration::from_secs(15), Duration::from_secs(1));
    let (function, stop) = (e2e_function::workers(), Stop::new());
    let queues: Vec<Queue> = function.queues();
    let name = format!("worker, process {}", process::id());
    // Handlers that block their threads must not hold up the drain.
    let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let control = Builder::new_current_thread().enable_all().build()?;
    let aws = AwsBackend::from_env()?;
    let pollers = threads.block_on(SqsPoller::connect(&aws, function, &queues, &name, (settings, &stop)))?;
    let host = pollers.into_iter().fold(Host::new(stop), Host::source);
    let inside = threads.enter();
    let running = host.start();
    drop(inside);
    let drained = control.block_on(async {
        let mut options = Detect::default();
        options.health = variable(HEALTH).map(|address| address.parse()).transpose()?;
        let mut lifecycles = detect(options)?;
        Ok::<_, Box<dyn Error>>(running.run(&mut lifecycles, drain).await)
    })?;
    process::exit(i32::from(drained.failed));
}
