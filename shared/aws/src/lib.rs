//! The AWS backend and the Lambda host.
//!
//! - [`lambda::run`] serves a function's invocations: SQS batches, EventBridge events, direct invocations.
//! - [`Sqs`] sends jobs to SQS queues, and moves, delays and buries messages for the hosts.
//! - [`Sdk`] is what all clients of AWS's SDKs in this process share, made at first use: nothing here touches the
//!   network, the file system or a certificate before something has to be said to AWS.

mod backend;
#[cfg(feature = "dynamodb")]
mod dynamo;
pub mod lambda;
mod queues;
mod sdk;
mod sqs;
#[cfg(feature = "test-util")]
pub mod testing;

pub use self::{
    backend::{Aws, Settings},
    queues::{QueueArn, QueueMap, QueueMapError, QueueUrls},
    sdk::Sdk,
    sqs::{Sqs, SqsError},
};
