//! What is wrong with a deployed stack.

use std::fmt;

use serde::Serialize;

/// Something that is wrong, or could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, as the definitions name it: `queue webhooks`.
    pub resource: String,
    /// What it is called on AWS; empty where it has no name there.
    pub name: String,
    /// How it is.
    pub found: String,
    /// How it should be.
    pub expected: String,
    /// What that breaks.
    pub breaks: String,
    /// What repairs it.
    pub repair: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Jobs are lost, do not run, or run wrongly; or soon will.
    Error,
    /// Worth a look.
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
        /// The kinds of findings. Their names stay.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Kind {
            $($(#[$doc])* #[serde(rename = $name)] $kind,)+
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The kind's name.
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
    /// A resource is not there.
    ResourceMissing = "resource-missing",
    /// A resource of the stack is in no definition any more.
    ResourceLeftOver = "resource-left-over",
    /// A queue's attribute is not what it should be.
    QueueDrifted = "queue-drifted",
    /// A queue's policy does not say what it should.
    QueuePolicy = "queue-policy",
    /// A dead-letter queue is not empty.
    DeadLetters = "dead-letters",
    /// The queue for what EventBridge could not deliver is not empty.
    UndeliveredEvents = "undelivered-events",
    /// An event source mapping is off, or being switched.
    MappingDisabled = "mapping-disabled",
    /// An event source mapping is not what it should be.
    MappingDrifted = "mapping-drifted",
    /// A function's configuration is not what it should be.
    FunctionDrifted = "function-drifted",
    /// A function cannot run, or its last update failed.
    FunctionNotReady = "function-not-ready",
    /// A function's concurrency is reserved at less than its queues may use.
    FunctionThrottled = "function-throttled",
    /// Lambda's recursion guard is on.
    RecursionGuard = "recursion-guard",
    /// What becomes of a function's failed calls is not what it should be.
    FailedCalls = "failed-calls",
    /// EventBridge may not call a function any more.
    InvokePermission = "invoke-permission",
    /// A role may not do any more what it must.
    RolePermission = "role-permission",
    /// A rule or schedule is off.
    ScheduleDisabled = "schedule-disabled",
    /// A rule or schedule is not what it should be.
    ScheduleDrifted = "schedule-drifted",
    /// A rule or schedule starts nothing that is there.
    ScheduleNowhere = "schedule-nowhere",
    /// The table of records is not what it should be.
    TableDrifted = "table-drifted",
    /// A function runs other code than that of these definitions.
    OldCode = "old-code",
    /// A quota of AWS is nearly used up.
    Quota = "quota",
    /// Something could not be looked at.
    NotExamined = "not-examined",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an examination has come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examination {
    /// What is wrong: errors first, then by resource.
    pub findings: Vec<Finding>,
    /// Questions that were asked.
    pub checks: usize,
    /// Resources that they were about.
    pub resources: usize,
}

impl Examination {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.findings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_kind_and_no_other() {
        let manual = include_str!("../../../docs/operations.md");
        let (_, table) = manual.split_once("| kind | breaks | repair |").expect("the table of kinds");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let told: Vec<_> = rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
        let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(told, kinds);
    }
}
