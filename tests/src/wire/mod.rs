//! Calls between the backend and the emulator: each is recorded, with its DynamoDB bill by the published rules, and
//! tests make calls fail as AWS or the network does.

mod proxy;
pub mod units;

pub use proxy::{Call, Emulator, Measure, Proxy, proxy};
