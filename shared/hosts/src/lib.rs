//! Lifecycles for long-running hosts: what ends the process, how that is announced, and what is reported.
//!
//! | lifecycle | ends on | reports |
//! | --- | --- | --- |
//! | [`Signals`] | Ctrl-C, SIGTERM, SIGHUP; a second one ends at once | – |
//! | [`Systemd`] | SIGTERM, by [`Signals`] | ready, stopping, more time while draining, watchdog |
//! | `windows::WindowsService` | the service manager: STOP, PRESHUTDOWN | starting, running, stopping with checkpoints, stopped |
//! | [`HealthServer`] | – | `/live` and `/ready`, for a container platform; `/metrics`, for Prometheus |
//! | [`EcsProtection`] | SIGTERM, by [`Signals`] | the task is protected from scale-in while jobs run |
//! | [`WebJob`] | the shutdown file of Azure's WebJobs | a line every minute |
//! | [`IdleEnd`] | no job for a while | – |
//!
//! [`detect`] combines those for the environment. [`detect_with`] is for a process that is ended by something other than
//! signals, as a Windows service is: `windows::WindowsService`.
//!
//! ```no_run
//! # use std::time::Duration;
//! # async fn run(running: lamplighter::host::Running) -> Result<(), Box<dyn std::error::Error>> {
//! let mut lifecycles = lamplighter_hosts::detect(lamplighter_hosts::Detect::default())?;
//! let drained = running.run(&mut lifecycles, Duration::from_secs(25)).await;
//! println!("{drained}");
//! # Ok(())
//! # }
//! ```

mod detect;
mod ecs;
mod health;
mod idle;
mod metrics;
mod signals;
#[cfg(target_os = "linux")]
mod systemd;
mod webjob;
#[cfg(any(windows, test))]
pub mod windows;

#[cfg(target_os = "linux")]
pub use self::systemd::Systemd;
pub use self::{
    detect::{Detect, DetectError, detect, detect_with},
    ecs::EcsProtection,
    health::HealthServer,
    idle::IdleEnd,
    metrics::PrometheusMeter,
    signals::Signals,
    webjob::WebJob,
};

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
