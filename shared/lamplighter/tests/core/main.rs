//! The core, over doubles of the ports.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "helpers of tests may")]

mod circuit_breaker;
mod declared;
mod extras;
mod faults;
mod host;
mod layers;
mod limits;
mod overlap;
mod redaction;
mod rolling;
mod schedule_arithmetic;
mod schedule_properties;
#[path = "../support/mod.rs"]
mod support;
