//! What tests and measures run against: AWS's endpoints on this machine, each on a port of its own.

#[cfg(feature = "operator")]
mod deployment;
mod http;
mod runtime_api;
#[cfg(feature = "schedules")]
mod schedules;
#[cfg(feature = "secrets")]
mod secrets;
mod sqs;

#[cfg(feature = "operator")]
pub use self::deployment::{FakeDeployment, FakeLetter};
#[cfg(feature = "schedules")]
pub use self::schedules::FakeSchedules;
#[cfg(feature = "secrets")]
pub use self::secrets::FakeSecrets;
pub use self::{
    runtime_api::{Answer, RuntimeApi},
    sqs::{Call, FakeSqs, Fault},
};
