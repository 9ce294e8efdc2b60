//! The AWS backend in this process, and its calls over the wire: the calls of every operation, the fate of jobs when
//! calls fail, and the repairs of `maintenance`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod batches;
mod costs;
mod dashboard;
mod faults;
mod jobs;
mod limits;
mod maintenance;
mod outbox;
mod rescheduled;
mod stage;
mod unique;
