//! The backend and the Lambda host against fakes of AWS at HTTP.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests may"
)]

mod batches;
mod credentials;
mod direct;
mod enqueue;
mod one_time;
mod redrive;
mod schedules;
mod secrets;
mod stack;
mod support;
