//! The engine, its file and its operator.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests may")]

mod app;
mod batches;
mod clock;
mod errors;
#[cfg(unix)]
mod file;
mod job_log;
mod limits;
mod operations;
mod operator;
mod outbox;
mod rollups;
mod slots;
mod tenants;
