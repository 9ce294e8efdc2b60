//! Calls on their way to the emulator: each is recorded, with what DynamoDB bills for it by its rules, and tests make
//! them fail as AWS or the network does.

mod proxy;
pub mod units;

pub use proxy::{Call, Emulator, Measure, Proxy, proxy};
