//! The attributes of spans. Those of messages are OpenTelemetry's semantic conventions 1.44, "Messaging spans"; the
//! crate for them has no stable names for messaging.

pub(crate) const SYSTEM: &str = "messaging.system";
pub(crate) const OPERATION_NAME: &str = "messaging.operation.name";
pub(crate) const OPERATION_TYPE: &str = "messaging.operation.type";
pub(crate) const DESTINATION: &str = "messaging.destination.name";
pub(crate) const MESSAGE_ID: &str = "messaging.message.id";
pub(crate) const BATCH_COUNT: &str = "messaging.batch.message_count";
pub(crate) const ERROR_TYPE: &str = "error.type";

/// The job's name.
pub(crate) const JOB: &str = "lamplighter.job";
/// The number of the execution, from 1.
pub(crate) const ATTEMPT: &str = "lamplighter.attempt";
/// How an execution ended: an [`EndKind`](lamplighter::layer::EndKind).
pub(crate) const OUTCOME: &str = "lamplighter.outcome";
/// The batch that the job is of.
pub(crate) const BATCH: &str = "lamplighter.batch";
/// The schedule that caused the job.
pub(crate) const SCHEDULE: &str = "lamplighter.schedule";
