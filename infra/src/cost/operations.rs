//! The AWS requests of each operation, in one table. Tests record the actual requests and compare them with it;
//! estimates and the documentation are computed from it.

use std::{fmt, iter::Sum, ops::Add};

/// How much of a job is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing: no table, or a job that is untracked.
    Untracked,
    /// A record that is listed while it is of interest: delayed, retrying, failed, cancelled, long-running.
    Lean,
    /// A record that is listed in every state.
    Full,
}

impl Mode {
    /// All modes, the cheapest first.
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

/// Requests to AWS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Requests to SQS.
    pub sqs: u32,
    /// Calls of EventBridge Scheduler.
    pub scheduler: u32,
    /// Events published on the bus.
    pub events: u32,
    /// Calls of DynamoDB.
    pub dynamodb: u32,
    /// Write units of DynamoDB, for items of up to 1 KB, indexes included.
    pub writes: u32,
    /// Read units of DynamoDB, for items of up to 4 KB.
    pub reads: u32,
}

/// An operation on jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// The number of jobs it applies to.
    pub jobs: u32,
    /// Its requests in each [`Mode`]; `None` if the mode has no such operation.
    pub asked: [Option<Asked>; 3],
}

const NOTHING: Asked = Asked { sqs: 0, scheduler: 0, events: 0, dynamodb: 0, writes: 0, reads: 0 };

/// Requests to SQS.
const fn sqs(requests: u32) -> Asked {
    Asked { sqs: requests, ..NOTHING }
}

impl Asked {
    /// Calls of DynamoDB that write, and the units they consume.
    const fn writing(self, calls: u32, units: u32) -> Self {
        Self { dynamodb: self.dynamodb + calls, writes: self.writes + units, ..self }
    }

    /// Calls of DynamoDB that read a unit each, or half a unit from an index.
    const fn reading(self, calls: u32) -> Self {
        Self { dynamodb: self.dynamodb + calls, reads: self.reads + calls, ..self }
    }

    const fn scheduling(self, calls: u32) -> Self {
        Self { scheduler: self.scheduler + calls, ..self }
    }

    const fn publishing(self, events: u32) -> Self {
        Self { events: self.events + events, ..self }
    }
}

impl Add for Asked {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            sqs: self.sqs + more.sqs,
            scheduler: self.scheduler + more.scheduler,
            events: self.events + more.events,
            dynamodb: self.dynamodb + more.dynamodb,
            writes: self.writes + more.writes,
            reads: self.reads + more.reads,
        }
    }
}

impl Sum for Asked {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Operation {
    const fn one(name: &'static str, asked: [Option<Asked>; 3]) -> Self {
        Self { name, jobs: 1, asked }
    }

    const fn many(name: &'static str, jobs: u32, asked: [Option<Asked>; 3]) -> Self {
        Self { name, jobs, asked }
    }

    /// Returns its requests in `mode`, if the mode has the operation.
    #[must_use]
    pub const fn asked(&self, mode: Mode) -> Option<Asked> {
        self.asked[mode as usize]
    }
}

/// A job is sent on its own. A full record is written and listed.
pub const ENQUEUE: Operation = Operation::one("enqueue", [Some(sqs(1)), Some(sqs(1)), Some(sqs(1).writing(1, 2))]);
/// The same with an id chosen by the sender: sent several times, it is still one job.
pub const ENQUEUE_OWN_ID: Operation =
    Operation::one("enqueue with a given id", [Some(sqs(1)), Some(sqs(1).writing(1, 1)), Some(sqs(1).writing(1, 2))]);
/// Jobs are sent together.
pub const ENQUEUE_THOUSAND: Operation = Operation::many(
    "enqueue a thousand together",
    1000,
    [Some(sqs(100)), Some(sqs(100)), Some(sqs(100).writing(1000, 2000))],
);
/// A first attempt begins.
pub const BEGIN: Operation =
    Operation::one("begin", [Some(NOTHING), Some(NOTHING.writing(1, 1)), Some(NOTHING.writing(1, 1))]);
/// It succeeds. A full record is moved in the listing.
pub const SUCCEED: Operation =
    Operation::one("succeed", [Some(NOTHING), Some(NOTHING.writing(1, 1)), Some(NOTHING.writing(1, 3))]);
/// It saves a checkpoint or its progress for the first time, and is listed as long-running.
pub const NOTE: Operation =
    Operation::one("first checkpoint or progress", [None, Some(NOTHING.writing(2, 3)), Some(NOTHING.writing(2, 4))]);
/// It does so again.
pub const NOTE_AGAIN: Operation =
    Operation::one("each further one", [None, Some(NOTHING.writing(1, 1)), Some(NOTHING.writing(1, 1))]);
/// It is released for later, uncounted.
pub const PUT_BACK: Operation =
    Operation::one("release", [Some(sqs(1)), Some(sqs(1).writing(1, 1)), Some(sqs(1).writing(1, 1))]);
/// It fails, and will be retried. It is counted in its error group, which has had a failure in this hour.
pub const RETRY: Operation =
    Operation::one("fail, to be retried", [Some(sqs(1)), Some(sqs(1).writing(2, 3)), Some(sqs(1).writing(2, 4))]);
/// All jobs of a batch fail, and will be retried. They are settled together, and are of one error group.
pub const RETRY_TEN: Operation = Operation::many(
    "ten of a batch fail, to be retried",
    10,
    [Some(sqs(1)), Some(sqs(1).writing(11, 21)), Some(sqs(1).writing(11, 31))],
);
/// The next attempt begins. Its first claim, which expects a new job, is refused and returns the existing record.
pub const BEGIN_AGAIN: Operation =
    Operation::one("begin a retry", [Some(NOTHING), Some(NOTHING.writing(2, 3)), Some(NOTHING.writing(2, 4))]);
/// It fails for good: the message goes to the dead-letter queue, an event is published, and its error group counts it.
pub const FAIL: Operation = Operation::one(
    "fail for good",
    [Some(sqs(1).publishing(1)), Some(sqs(1).publishing(1).writing(2, 3)), Some(sqs(1).publishing(1).writing(2, 4))],
);
/// A job is sent with a delay of up to 15 minutes, which SQS itself keeps.
pub const DELAY_BY_SQS: Operation = Operation::one(
    "enqueue, up to 15 minutes ahead",
    [Some(sqs(1)), Some(sqs(1).writing(1, 2)), Some(sqs(1).writing(1, 2))],
);
/// A job is delayed by a one-time schedule.
pub const DELAY_BY_SCHEDULE: Operation = Operation::one(
    "enqueue, later: by a schedule",
    [Some(NOTHING.scheduling(1)), Some(NOTHING.scheduling(1).writing(1, 2)), Some(NOTHING.scheduling(1).writing(1, 2))],
);
/// A job is delayed by the table's index of due jobs.
pub const DELAY_BY_TABLE: Operation = Operation::one(
    "enqueue, later: by the table",
    [Some(NOTHING.writing(1, 2)), Some(NOTHING.writing(2, 4)), Some(NOTHING.writing(2, 4))],
);
/// `maintenance` sends due jobs. Its queries of the index are extra, a few per minute for any number of jobs.
pub const MOVE_TEN: Operation = Operation::many(
    "ten due jobs are sent from the table",
    10,
    [
        Some(sqs(1).reading(10).writing(10, 20)),
        Some(sqs(1).reading(20).writing(10, 20)),
        Some(sqs(1).reading(20).writing(10, 20)),
    ],
);
/// `maintenance` finds nothing to do, in a deployment with one queue: it reads the depths of the queue and of its
/// dead-letter queue, the index of due jobs, that of open operations, and a part of the listing.
pub const LOOK_AFTER: Operation = Operation::many(
    "a round of maintenance that finds nothing, with one queue",
    0,
    [Some(ROUND), Some(ROUND), Some(ROUND)],
);
const ROUND: Asked = sqs(2).reading(39).writing(1, 1);
/// `maintenance` counts the records: every ten minutes it walks through the keys of each month that has any, here of an
/// empty one.
pub const COUNT_RECORDS: Operation = Operation::many(
    "count the records of a month, in a round every ten minutes",
    0,
    [Some(WALK), Some(WALK), Some(WALK)],
);
const WALK: Asked = NOTHING.reading(24).writing(1, 1);
/// A delayed job begins.
pub const BEGIN_DELAYED: Operation =
    Operation::one("begin a delayed job", [Some(NOTHING), Some(NOTHING.writing(2, 3)), Some(NOTHING.writing(2, 4))]);
/// A job that waits in its queue is cancelled.
pub const CANCEL: Operation =
    Operation::one("cancel", [None, Some(NOTHING.reading(1).writing(1, 2)), Some(NOTHING.reading(1).writing(1, 3))]);
/// A delayed job is cancelled, and its schedule or index entry is deleted.
pub const CANCEL_DELAYED: Operation = Operation::one(
    "cancel a delayed job",
    [None, Some(NOTHING.scheduling(1).reading(1).writing(2, 4)), Some(NOTHING.scheduling(1).reading(1).writing(2, 4))],
);
/// A job that has failed is sent again.
pub const REQUEUE: Operation = Operation::one(
    "retry by hand",
    [None, Some(sqs(1).reading(2).writing(1, 2)), Some(sqs(1).reading(2).writing(1, 3))],
);
/// A job is enqueued that waits for another one.
pub const ENQUEUE_AFTER: Operation = Operation::one(
    "enqueue after another job",
    [None, Some(NOTHING.reading(1).writing(1, 7)), Some(NOTHING.reading(1).writing(1, 7))],
);
/// A job is written into the outbox, in a transaction of the caller's own.
pub const WRITE_OUTBOX: Operation = Operation::one(
    "write into the outbox, in your own transaction",
    [Some(NOTHING.writing(1, 3)), Some(NOTHING.writing(1, 3)), Some(NOTHING.writing(1, 3))],
);
/// The writer sends it from there, and deletes its entry. `maintenance` reads the entry before.
pub const SEND_OUTBOX: Operation = Operation::one(
    "send from the outbox",
    [Some(sqs(1).writing(1, 2)), Some(sqs(1).writing(2, 3)), Some(sqs(1).writing(2, 4))],
);
/// A job gives its arguments to the one that has its unique key, which waits in its queue.
pub const REPLACE: Operation = Operation::one(
    "replace a unique job",
    [None, Some(sqs(1).reading(4).writing(1, 4)), Some(sqs(1).reading(4).writing(1, 4))],
);
/// A job succeeds, and one that waited for it is sent.
pub const SUCCEED_FOLLOWED: Operation = Operation::one(
    "succeed, and start the job that waits",
    [None, Some(sqs(1).reading(3).writing(4, 6)), Some(sqs(1).reading(3).writing(4, 8))],
);
/// Jobs are enqueued as a batch.
pub const BATCH_HUNDRED: Operation = Operation::many(
    "enqueue a batch of a hundred",
    100,
    [
        None,
        // The jobs are read again to be sent: an item of some 25 KB.
        Some(Asked { reads: 12, ..sqs(10).reading(7).writing(5, 31) }),
        Some(Asked { reads: 12, ..sqs(10).reading(7).writing(105, 231) }),
    ],
);
/// A job of a batch succeeds, others of its part being open.
pub const SUCCEED_IN_BATCH: Operation = Operation::one(
    "succeed, as a job of a batch",
    [None, Some(NOTHING.reading(2).writing(1, 4)), Some(NOTHING.reading(2).writing(1, 6))],
);
/// The last jobs of a batch succeed.
pub const END_BATCH: Operation = Operation::one(
    "succeed, as the last job of a batch",
    [None, Some(NOTHING.reading(2).writing(3, 8)), Some(NOTHING.reading(2).writing(3, 10))],
);

/// The first attempt of a job with a limit begins, for which there is a place.
pub const BEGIN_LIMITED: Operation = Operation::one(
    "begin, within a limit",
    [None, Some(NOTHING.reading(1).writing(2, 2)), Some(NOTHING.reading(1).writing(2, 2))],
);
/// It succeeds, and nobody waits for its place.
pub const SUCCEED_LIMITED: Operation = Operation::one(
    "succeed, within a limit",
    [None, Some(NOTHING.reading(1).writing(2, 2)), Some(NOTHING.reading(1).writing(2, 4))],
);
/// A job waits, since its limit has no place: its message is hidden.
pub const WAIT_LIMITED: Operation = Operation::one(
    "wait for a limit",
    [None, Some(sqs(1).reading(5).writing(2, 2)), Some(sqs(1).reading(5).writing(2, 2))],
);
/// A job succeeds, and wakes the next one that waits for its place.
pub const SUCCEED_AND_WAKE: Operation = Operation::one(
    "succeed, and wake the next",
    [None, Some(sqs(1).reading(2).writing(4, 4)), Some(sqs(1).reading(2).writing(4, 6))],
);

/// The whole table.
pub const OPERATIONS: [Operation; 34] = [
    ENQUEUE,
    ENQUEUE_OWN_ID,
    ENQUEUE_THOUSAND,
    ENQUEUE_AFTER,
    BATCH_HUNDRED,
    REPLACE,
    WRITE_OUTBOX,
    SEND_OUTBOX,
    DELAY_BY_SQS,
    DELAY_BY_SCHEDULE,
    DELAY_BY_TABLE,
    MOVE_TEN,
    BEGIN,
    BEGIN_DELAYED,
    BEGIN_AGAIN,
    BEGIN_LIMITED,
    WAIT_LIMITED,
    NOTE,
    NOTE_AGAIN,
    SUCCEED,
    SUCCEED_FOLLOWED,
    SUCCEED_LIMITED,
    SUCCEED_AND_WAKE,
    SUCCEED_IN_BATCH,
    END_BATCH,
    PUT_BACK,
    RETRY,
    RETRY_TEN,
    FAIL,
    CANCEL,
    CANCEL_DELAYED,
    REQUEUE,
    LOOK_AFTER,
    COUNT_RECORDS,
];

/// Lambda's own requests to SQS for a full batch, on the account's bill: one receive, and one delete of the finished
/// jobs.
pub const DELIVER_TEN: Operation = Operation::many("deliver ten", 10, [Some(sqs(2)), Some(sqs(2)), Some(sqs(2))]);
/// A one-time schedule's request to SQS when it fires.
pub const SCHEDULE_FIRES: Operation = Operation::one("a schedule sends", [Some(sqs(1)), Some(sqs(1)), Some(sqs(1))]);
