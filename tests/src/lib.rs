//! Behaviours that every backend must show, and the tests that run them.

pub mod azure;
pub mod conformance;
pub mod copy;
pub mod elsewhere;
pub mod ministack;
pub mod outside;
pub mod wire;

/// The code in the page about schedules is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/schedules.md")]
struct SchedulesPage;

/// The code in the page about hosts is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/hosts.md")]
struct HostsPage;

/// As is that in the guide from Hangfire.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-hangfire.md")]
struct FromHangfirePage;
