//! What goes over the wire: every call is recorded on its way to the emulator, with what DynamoDB would bill for it by its
//! rules, and calls are broken there as AWS or the network breaks them.

mod faults;
mod proxy;
pub mod units;

pub use faults::Fault;
pub use proxy::{Call, Proxy};
