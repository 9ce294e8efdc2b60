//! Lifecycles for hosts that run for long: who ends the process, how it is announced, and what is reported.
//!
//! | lifecycle | ended by | is told |
//! | --- | --- | --- |
//! | [`Signals`] | Ctrl-C, SIGTERM, SIGHUP; a second one ends at once | – |
//! | [`Systemd`] | SIGTERM, by [`Signals`] | ready, stopping, more time while draining, watchdog |
//! | `windows::WindowsService` | the service manager: STOP, PRESHUTDOWN | starting, running, stopping with checkpoints, stopped |
//! | [`HealthServer`] | – | `/live` and `/ready`, for a container platform |
//! | [`EcsProtection`] | SIGTERM, by [`Signals`] | the task is protected from scale-in while jobs run |
//! | [`WebJob`] | the shutdown file of Azure's WebJobs | a line every minute |
//! | [`IdleEnd`] | itself, when there is nothing to do | – |
//!
//! [`detect`] puts together those that fit the environment. [`detect_with`] is for a process that is ended by something other than
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
    signals::Signals,
    webjob::WebJob,
};

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
