//! Findings about a deployed stack.

use std::fmt;

use serde::Serialize;

/// A problem, or something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// Its severity.
    pub severity: Severity,
    /// The resource, as the definitions name it: `queue webhooks`.
    pub resource: String,
    /// Its name on AWS; empty if it has none there.
    pub name: String,
    /// The actual state.
    pub found: String,
    /// The expected state.
    pub expected: String,
    /// The consequence.
    pub breaks: String,
    /// How to repair it.
    pub repair: String,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Jobs are lost, do not run, or run wrongly, now or soon.
    Error,
    /// Something that deserves attention.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// The kinds of findings. Their names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)+
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Returns the kind's name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// The stack's last deployment failed.
    StackFailed = "stack-failed",
    /// The stack is being deployed.
    StackChanging = "stack-changing",
    /// A resource is missing.
    ResourceMissing = "resource-missing",
    /// A resource of the stack is no longer in the definitions.
    ResourceLeftOver = "resource-left-over",
    /// A resource differs from its deployed state.
    ResourceDrifted = "resource-drifted",
    /// A queue's attribute differs.
    QueueDrifted = "queue-drifted",
    /// A queue's policy differs.
    QueuePolicy = "queue-policy",
    /// A dead-letter queue is not empty.
    DeadLetters = "dead-letters",
    /// The queue for undelivered events is not empty.
    UndeliveredEvents = "undelivered-events",
    /// A queue that workers poll is paused.
    QueuePaused = "queue-paused",
    /// No worker polls a queue whose jobs run on workers.
    WorkerMissing = "worker-missing",
    /// An event source mapping is disabled, or being changed.
    MappingDisabled = "mapping-disabled",
    /// An event source mapping differs.
    MappingDrifted = "mapping-drifted",
    /// A function's configuration differs.
    FunctionDrifted = "function-drifted",
    /// A function cannot run, or its last update failed.
    FunctionNotReady = "function-not-ready",
    /// A function's reserved concurrency is less than its queues may use.
    FunctionThrottled = "function-throttled",
    /// Lambda's recursion guard is on.
    RecursionGuard = "recursion-guard",
    /// A function's URL lets others call it than it should, or differs otherwise.
    UrlDrifted = "url-drifted",
    /// The handling of a function's failed calls differs.
    FailedCalls = "failed-calls",
    /// EventBridge can no longer call a function.
    InvokePermission = "invoke-permission",
    /// A role lacks a permission that it needs.
    RolePermission = "role-permission",
    /// A rule or schedule is disabled.
    ScheduleDisabled = "schedule-disabled",
    /// A rule or schedule differs.
    ScheduleDrifted = "schedule-drifted",
    /// The target of a rule or schedule is missing, or its job is unknown.
    ScheduleNowhere = "schedule-nowhere",
    /// The table of records differs.
    TableDrifted = "table-drifted",
    /// A function runs other code than that of these definitions.
    OldCode = "old-code",
    /// A quota of AWS is nearly used up.
    Quota = "quota",
    /// Something could not be read.
    NotExamined = "not-examined",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of an examination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// The findings: errors first, then by resource.
    pub findings: Vec<Finding>,
    /// The number of checks.
    pub checks: usize,
    /// The number of resources that were checked.
    pub resources: usize,
}

impl Examination {
    /// Returns whether there is no finding.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.is_empty()
    }
}
