//! What each operation asks of AWS. Tests record what is really sent and compare it with this table.

use std::fmt;

/// How much is remembered of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing: no table, or a job that is untracked.
    Untracked,
    /// A record, which lists show while there is something to look at: delayed, retrying, failed, cancelled, running
    /// long.
    Lean,
    /// A record that lists show in every state.
    Full,
}

impl Mode {
    /// All, the cheapest first.
    pub const ALL: [Self; 3] = [Self::Untracked, Self::Lean, Self::Full];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untracked => "untracked",
            Self::Lean => "lean",
            Self::Full => "full",
        })
    }
}

/// What is asked of AWS for an operation on so many jobs, beyond what Lambda's own polling asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// What is done.
    pub name: &'static str,
    /// To how many jobs.
    pub jobs: u32,
    /// Requests to SQS.
    pub sqs_requests: u32,
    /// Calls of DynamoDB.
    pub dynamodb_calls: u32,
    /// Write units of DynamoDB, for items of up to 1 KB, indexes included.
    pub write_units: u32,
}

impl Operation {
    const fn sqs(name: &'static str, jobs: u32, requests: u32) -> Self {
        Self { name, jobs, sqs_requests: requests, dynamodb_calls: 0, write_units: 0 }
    }

    const fn records(name: &'static str, calls: u32, units: u32) -> Self {
        Self { name, jobs: 1, sqs_requests: 0, dynamodb_calls: calls, write_units: units }
    }
}

/// One job is sent by itself.
pub const SEND_ONE: Operation = Operation::sqs("send a job", 1, 1);
/// Jobs are sent together.
pub const SEND_TEN: Operation = Operation::sqs("send ten jobs together", 10, 1);
/// Jobs of a batch fail and are put off.
pub const FAIL_TEN: Operation = Operation::sqs("put off ten failed jobs of a batch", 10, 1);
/// A job succeeds that nothing is remembered of.
pub const SUCCEED_UNTRACKED: Operation = Operation::records("succeed, untracked", 0, 0);
/// A job succeeds at its first attempt: begun, ended.
pub const SUCCEED_LEAN: Operation = Operation::records("succeed, lean", 2, 2);
/// A job succeeds at its first attempt: recorded when it was sent, begun, ended, and each time listed anew.
pub const SUCCEED_FULL: Operation = Operation::records("succeed, full", 3, 6);

/// The whole table.
pub const OPERATIONS: [Operation; 6] = [SEND_ONE, SEND_TEN, SUCCEED_UNTRACKED, SUCCEED_LEAN, SUCCEED_FULL, FAIL_TEN];

impl Mode {
    /// What a job's success asks, from being recorded to its end.
    #[must_use]
    pub const fn success(self) -> Operation {
        match self {
            Self::Untracked => SUCCEED_UNTRACKED,
            Self::Lean => SUCCEED_LEAN,
            Self::Full => SUCCEED_FULL,
        }
    }
}

/// What Lambda asks of SQS for each batch, on the account's bill: one receive, and one delete of all that was done.
pub const POLLING_REQUESTS_PER_BATCH: u32 = 2;
