//! Azure on this machine, for tests: the queues of Azurite, and a Functions host that follows the recorded contract.
//!
//! Azurite is Microsoft's emulator of Azure Storage; the first test installs it under the target folder, which needs
//! Node.js and its npm. The Functions host itself is not available here: [`FunctionsHost`] reads the same files, starts
//! the same program, posts the same requests, and follows the same rules (Azure/azure-functions-host,
//! `src/WebJobs.Script/Workers/Http`, and the queue trigger's documentation).

mod azurite;
mod error;
mod functions_host;
mod install;
mod payload;
mod process;
mod queue;
mod rules;

pub use self::{
    azurite::{Account, account},
    error::{Error, Result},
    functions_host::{FunctionsHost, Setup},
    queue::{DeadLetter, StorageQueue},
};
