//! The AWS backend in this process, and what it says over the wire: what every operation asks of AWS, what happens to jobs
//! when calls are broken, and what `maintenance` repairs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod costs;
mod faults;
mod jobs;
mod maintenance;
mod stage;
