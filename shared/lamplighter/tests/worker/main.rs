//! What the worker does with a batch of deliveries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

mod attempts;
mod bench;
mod completions;
mod groups;
mod leases;
mod long;
mod messages;
mod property;
mod stop;
#[path = "../support/mod.rs"]
mod support;
mod time;
