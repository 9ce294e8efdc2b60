//! The behaviours of every backend, and the tests that prove them.

pub mod azure;
pub mod conformance;
pub mod copy;
pub mod elsewhere;
pub mod ministack;
pub mod outside;
pub mod wire;

/// Compiles and runs the code in the page about schedules.
#[cfg(doctest)]
#[doc = include_str!("../../docs/schedules.md")]
struct SchedulesPage;

/// Compiles the code in the page about hosts.
#[cfg(doctest)]
#[doc = include_str!("../../docs/hosts.md")]
struct HostsPage;

/// Compiles the code in the page about workflows.
#[cfg(doctest)]
#[doc = include_str!("../../docs/workflows.md")]
struct WorkflowsPage;

/// Compiles and runs the code in the page about traces.
#[cfg(doctest)]
#[doc = include_str!("../../docs/traces.md")]
struct TracesPage;

/// Compiles the code in the guide from Hangfire.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-hangfire.md")]
struct FromHangfirePage;
