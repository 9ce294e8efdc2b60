//! Azure Functions, end to end: the real custom handler under a Functions host that follows the recorded contract, with
//! the queues of Azurite and the files that are derived from the app.
//!
//! The host conformance list is in `conformance.rs`. No test measures speed: tests wait for conditions.

mod conformance;
mod queues;
mod records;
mod support;
mod timers;
