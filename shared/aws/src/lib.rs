//! The AWS backend and the Lambda host.
//!
//! - [`lambda::run`] serves a function's invocations: SQS batches, EventBridge events, direct invocations.
//! - [`Sqs`] sends jobs to SQS queues, and moves, delays and dead-letters messages for the hosts.
//! - With the feature `dynamodb`, [`maintenance`] is the function that every deployment with records has.
//! - With the feature `dynamodb`, [`layout`] says how the table spreads its writes.
//! - With the feature `dynamodb`, [`outbox`] enqueues jobs in DynamoDB transactions of your own.
//! - With the feature `poller`, [`SqsPoller`] receives a queue's messages in a long-running process.
//! - With the feature `schedules`, [`AwsSchedules`] manages the schedules that start jobs, and [`OneTime`] sends
//!   messages once, later than SQS can delay them.
//! - With the feature `secrets`, [`SecretReader`] reads secrets from Secrets Manager and Parameter Store.
//! - With the feature `operator`, [`Stack`] describes a deployed stack, and [`AwsOperator`] pauses its queues and
//!   redrives their dead letters.
//! - With the feature `rollups`, an [`AwsBackend`] with [functions](Settings::functions) reads what they have measured from
//!   CloudWatch.
//! - With the feature `doctor`, [`StackReader`] reads the properties of each resource of a deployed stack.
//! - [`AwsClients`] is shared by all clients of AWS's SDKs in this process, and created at first use: nothing here uses
//!   the network, the file system or a certificate before the first call to AWS.

mod backend;
#[cfg(feature = "dynamodb")]
mod dynamo;
#[cfg(feature = "events")]
mod events;
pub mod lambda;
#[cfg(feature = "dynamodb")]
pub mod layout;
#[cfg(feature = "dynamodb")]
pub mod maintenance;
#[cfg(feature = "operator")]
mod operator;
#[cfg(feature = "dynamodb")]
pub mod outbox;
mod partition;
#[cfg(feature = "poller")]
mod poller;
mod queues;
#[cfg(feature = "rollups")]
mod rollups;
#[cfg(feature = "schedules")]
mod schedules;
mod sdk;
#[cfg(feature = "secrets")]
mod secrets;
mod settlement;
mod sqs;
#[cfg(feature = "operator")]
mod stack;
#[cfg(feature = "doctor")]
mod stack_reader;

#[cfg(feature = "doctor")]
pub use self::partition::dns_suffix;
#[cfg(feature = "poller")]
pub use self::poller::{PollerSettings, SqsPoller};
#[cfg(feature = "schedules")]
pub use self::schedules::{AwsSchedules, OneTime, OneTimeError, ScheduleSettings, ScheduleSettingsError, Sending};
#[cfg(feature = "secrets")]
pub use self::secrets::{InvalidSecretArn, SecretArn, SecretReader};
#[cfg(feature = "doctor")]
pub use self::stack_reader::{
    Account, Code, DeployedStack, Drift, DriftedProperty, Observed, ResourceRef, RunTimeSchedule, StackReader,
    StackResource, Unreadable,
};
pub use self::{
    backend::{AwsBackend, Settings},
    queues::{QueueArn, QueueMap, QueueMapError, QueueUrls},
    sdk::AwsClients,
    sqs::{Sqs, SqsError},
};
#[cfg(feature = "operator")]
pub use self::{
    operator::AwsOperator,
    stack::{Output, Stack},
};

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
