//! The environment variables by which a deployed function learns where everything is. Who reads them is the AWS backend.

/// JSON: name → URL and dead-letter queue's URL, of every queue.
pub const QUEUES: &str = "LAMPLIGHTER_QUEUES";
/// The URL of the store of objects, where a function uses it.
pub const OBJECTS: &str = "LAMPLIGHTER_OBJECTS";
/// The name of the table of records, where a function keeps them.
pub const TABLE: &str = "LAMPLIGHTER_TABLE";
/// The name of the bus for events of jobs' lives, where a function keeps records.
pub const EVENT_BUS: &str = "LAMPLIGHTER_EVENT_BUS";
/// The name of the group of schedules. This one and the next two: where a function makes schedules, or delays jobs by them.
pub const SCHEDULE_GROUP: &str = "LAMPLIGHTER_SCHEDULE_GROUP";
/// The ARN of the role that EventBridge Scheduler takes on to send to queues.
pub const SCHEDULER_ROLE: &str = "LAMPLIGHTER_SCHEDULER_ROLE";
/// The ARN of the queue for what EventBridge could not deliver.
pub const UNDELIVERED: &str = "LAMPLIGHTER_UNDELIVERED";
/// The name of the bucket for arguments that are too large for a message, where a function keeps records.
pub const PAYLOADS: &str = "LAMPLIGHTER_PAYLOADS";

/// Whether connections to AWS are made before the first invocation; `1`.
pub const WARM_UP: &str = "LAMPLIGHTER_WARM_UP";

/// All that the template sets, none of which a function can set itself.
pub(crate) const ALL: [&str; 9] =
    [QUEUES, OBJECTS, TABLE, EVENT_BUS, SCHEDULE_GROUP, SCHEDULER_ROLE, UNDELIVERED, PAYLOADS, WARM_UP];
