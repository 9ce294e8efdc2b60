//! The AWS backend and the Lambda host.
//!
//! - [`lambda::run`] serves a function's invocations: SQS batches, EventBridge events, direct invocations.
//! - [`Sqs`] sends jobs to SQS queues, and moves, delays and buries messages for the hosts.
//! - With the feature `schedules`, [`AwsSchedules`] keeps what starts jobs at their times, and [`OneTime`] sends messages
//!   once, later than SQS can delay them.
//! - With the feature `secrets`, [`SecretReader`] reads secrets from Secrets Manager and Parameter Store.
//! - With the feature `operator`, [`Stack`] tells what a deployed stack consists of, and [`Operator`] pauses its queues
//!   and moves their dead letters back.
//! - With the feature `doctor`, [`StackReader`] tells what each resource of a deployed stack is like.
//! - [`AwsClients`] is what all clients of AWS's SDKs in this process share, made at first use: nothing here touches the
//!   network, the file system or a certificate before something has to be said to AWS.

mod backend;
#[cfg(feature = "dynamodb")]
mod dynamo;
#[cfg(feature = "events")]
mod events;
pub mod lambda;
#[cfg(feature = "dynamodb")]
mod maintenance;
#[cfg(feature = "operator")]
mod mapping;
#[cfg(feature = "operator")]
mod operator;
mod partition;
mod queues;
#[cfg(feature = "operator")]
mod redrive;
#[cfg(feature = "schedules")]
mod schedules;
mod sdk;
#[cfg(feature = "secrets")]
mod secrets;
mod sqs;
#[cfg(feature = "operator")]
mod stack;
#[cfg(feature = "doctor")]
mod stack_reader;
#[cfg(feature = "test-util")]
pub mod testing;

#[cfg(feature = "dynamodb")]
pub use self::maintenance::{Maintenance, MaintenanceError, QueueReport, Report};
#[cfg(feature = "doctor")]
pub use self::partition::dns_suffix;
#[cfg(feature = "schedules")]
pub use self::schedules::{AwsSchedules, OneTime, OneTimeError, ScheduleSettings, ScheduleSettingsError, Sending};
#[cfg(feature = "secrets")]
pub use self::secrets::{InvalidSecretArn, SecretArn, SecretReader};
#[cfg(feature = "doctor")]
pub use self::stack_reader::{
    Account, Code, DeployedStack, Observed, ResourceRef, RunTimeSchedule, StackReader, StackResource, Unreadable,
};
pub use self::{
    backend::{AwsBackend, Settings},
    queues::{QueueArn, QueueMap, QueueMapError, QueueUrls},
    sdk::AwsClients,
    sqs::{Sqs, SqsError},
};
#[cfg(feature = "operator")]
pub use self::{
    mapping::MappingState,
    operator::{DeployedQueue, Operator},
    redrive::{DeadLetter, DeadLetterCounts, DeadLetterFilter, Moved, Redrive, Redriven},
    stack::{Output, Stack},
};
