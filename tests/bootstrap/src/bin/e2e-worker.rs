//! The same function on a worker: polls its queues until a signal ends it.

use std::{error::Error, process, time::Duration};

use lamplighter::{
    Queue,
    host::{Host, Stop},
};
use lamplighter_aws::{AwsBackend, PollerSettings, SqsPoller};
use lamplighter_hosts::Signals;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = PollerSettings::default();
    // The jobs of a killed worker return soon, and a drain waits for an empty receive.
    (settings.lease, settings.wait) = (Duration::from_secs(10), Duration::from_secs(1));
    let (function, stop) = (e2e_function::function(), Stop::new());
    let queues: Vec<Queue> = function.queues();
    let name = format!("worker, process {}", process::id());
    let pollers = SqsPoller::connect(&AwsBackend::from_env()?, function, &queues, &name, (settings, &stop)).await?;
    let host = pollers.into_iter().fold(Host::new(stop), Host::source);
    let mut signals = Signals::listen(|| ())?;
    let drained = host.start().run(&mut signals, Duration::from_secs(60)).await;
    process::exit(i32::from(drained.failed || drained.left_behind));
}
