//! End to end: the real bootstraps as Lambda functions, deployed with the generated template, fed through SQS and
//! EventBridge. All tests share one emulator, in which IAM policies are enforced: what a test can do, the deployed
//! roles allow. Each test knows its own jobs by their labels, so all of them run beside each other.
//!
//! No test measures speed: what is waited for is a condition, and time passes for schedules when a test says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may")]

mod batches;
mod cloud;
mod deployed;
mod doctor;
mod events;
mod fleet;
mod operator;
mod order;
mod outage;
mod rights;
mod schedules;
mod second_app;
mod workers;
