//! What operations cost on AWS: every call is recorded on its way to the emulator, and what DynamoDB would bill for it is
//! worked out by its rules.

mod recorder;
pub mod units;

pub use recorder::{Call, Recorder};
