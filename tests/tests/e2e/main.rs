//! End to end: the real bootstraps as Lambda functions, deployed with the generated template, fed through SQS and
//! EventBridge. All tests share one emulator, which enforces IAM policies: what a test can do, the deployed roles
//! allow. Each test identifies its jobs by their labels, so all of them run concurrently.
//!
//! No test measures speed: tests wait for conditions, and time advances for schedules when a test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may")]

mod answer;
mod azure;
mod batches;
mod cloud;
mod dashboard;
mod deployed;
mod doctor;
mod events;
mod fleet;
mod hosts;
mod lamp;
mod operator;
mod order;
mod outage;
mod rights;
mod schedules;
mod second_app;
mod sign_in;
mod workers;
