//! Lamplighter on Azure: jobs in Azure Storage queues, run by Azure Functions.
//!
//! - [`handler::run`], with the feature `handler`, is a custom handler: the web server to which the Functions host
//!   brings messages and timers. All functions of an app run in it.
//! - [`AzureQueues`], with the feature `queues`, sends jobs to Azure Storage queues, later if need be, and moves
//!   messages to their poison queues.
//! - [`contract`] is the contract between the handler and the files that configure its host.

pub mod contract;
#[cfg(feature = "handler")]
pub mod handler;
#[cfg(feature = "queues")]
mod queues;

pub use self::contract::{MAX_DELAY, MAX_MESSAGE_BYTES};
#[cfg(feature = "queues")]
pub use self::queues::{AzureQueues, QueueServiceError};

/// The code in the README is compiled.
#[cfg(all(doctest, feature = "handler"))]
#[doc = include_str!("../README.md")]
struct Readme;
