//! The environment variables through which a deployed function finds its resources. The AWS backend reads them.

/// JSON: name → URL and dead-letter queue's URL, of every queue.
pub const QUEUES: &str = "LAMPLIGHTER_QUEUES";
/// The URL of the store of objects, if the function uses it.
pub const OBJECTS: &str = "LAMPLIGHTER_OBJECTS";
/// The name of the table of records, if the function keeps them.
pub const TABLE: &str = "LAMPLIGHTER_TABLE";
/// The name of the bus for lifecycle events of jobs, if the function keeps records.
pub const EVENT_BUS: &str = "LAMPLIGHTER_EVENT_BUS";
/// The name of the group of schedules. This one and the next two are set if a function creates schedules or delays jobs
/// with them.
pub const SCHEDULE_GROUP: &str = "LAMPLIGHTER_SCHEDULE_GROUP";
/// The ARN of the role that EventBridge Scheduler assumes to send to queues.
pub const SCHEDULER_ROLE: &str = "LAMPLIGHTER_SCHEDULER_ROLE";
/// The ARN of the queue for undelivered events.
pub const UNDELIVERED: &str = "LAMPLIGHTER_UNDELIVERED";
/// The name of the bucket for arguments that are too large for a message, if the function keeps records.
pub const PAYLOADS: &str = "LAMPLIGHTER_PAYLOADS";

/// The functions whose metrics the dashboard reads, by their names in Lambda.
pub const FUNCTIONS: &str = "LAMPLIGHTER_FUNCTIONS";

/// Whether connections to AWS are opened before the first invocation; `1`.
pub const WARM_UP: &str = "LAMPLIGHTER_WARM_UP";

/// What the summary of an invocation is for; a value of the parameter `Metrics`.
pub const METRICS: &str = "LAMPLIGHTER_METRICS";

/// All variables that the template sets; a function cannot set these itself.
pub(crate) const ALL: [&str; 12] = [
    QUEUES,
    OBJECTS,
    TABLE,
    EVENT_BUS,
    SCHEDULE_GROUP,
    SCHEDULER_ROLE,
    UNDELIVERED,
    PAYLOADS,
    FUNCTIONS,
    lamplighter::DashboardFunction::FORMS,
    WARM_UP,
    METRICS,
];
