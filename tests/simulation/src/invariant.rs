//! What must hold at every step of every seed.

use std::fmt;

/// A promise that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Each acknowledged job has a place at every moment, and has ended when faults stop and time passes.
    NothingIsLost,
    /// No two attempts hold a job's lease at once.
    OneLease,
    /// A final state is written once, unless the job is run again by hand.
    FinalOnce,
    /// No job has more attempts than its policy allows.
    AttemptsWithinLimit,
    /// An attempt is one execution of the handler, or one that was lost; what never ran is not counted.
    AttemptIsExecution,
    /// Where only the store is at fault, what a handler returned is recorded, and the handler is not run again for it.
    OutcomeIsKept,
    /// What a record says of an attempt is what its handler did.
    RecordIsTrue,
    /// An attempt that has lost its lease changes nothing.
    ZombieChangesNothing,
    /// A settlement that comes again is known again.
    SettlementIsKnown,
    /// The jobs of a FIFO group run in the order in which they were sent.
    FifoOrder,
    /// A batch ends once, and its counters are exact.
    BatchIsExact,
    /// When faults have stopped, what waits runs within a bounded time.
    NothingStarves,
    /// Each change of a record's state is one of `JobState::TRANSITIONS`.
    KnownTransition,
    /// The worker answers before the deadline of its host, whatever is silent.
    AnswerInTime,
    /// Each delivery gets exactly one answer.
    OneAnswer,
    /// An id has one owner: a message of another job neither runs under it nor changes it.
    OneOwner,
    /// No more attempts hold a place in a limit than it has.
    LimitIsKept,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::NothingIsLost,
        Self::OneLease,
        Self::FinalOnce,
        Self::AttemptsWithinLimit,
        Self::AttemptIsExecution,
        Self::OutcomeIsKept,
        Self::RecordIsTrue,
        Self::ZombieChangesNothing,
        Self::SettlementIsKnown,
        Self::FifoOrder,
        Self::BatchIsExact,
        Self::NothingStarves,
        Self::KnownTransition,
        Self::AnswerInTime,
        Self::OneAnswer,
        Self::OneOwner,
        Self::LimitIsKept,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NothingIsLost => "nothing-is-lost",
            Self::OneLease => "one-lease",
            Self::FinalOnce => "final-once",
            Self::AttemptsWithinLimit => "attempts-within-limit",
            Self::AttemptIsExecution => "attempt-is-execution",
            Self::OutcomeIsKept => "outcome-is-kept",
            Self::RecordIsTrue => "record-is-true",
            Self::ZombieChangesNothing => "zombie-changes-nothing",
            Self::SettlementIsKnown => "settlement-is-known",
            Self::FifoOrder => "fifo-order",
            Self::BatchIsExact => "batch-is-exact",
            Self::NothingStarves => "nothing-starves",
            Self::KnownTransition => "known-transition",
            Self::AnswerInTime => "answer-in-time",
            Self::OneAnswer => "one-answer",
            Self::OneOwner => "one-owner",
            Self::LimitIsKept => "limit-is-kept",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {message}")]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// What happened instead.
    pub message: String,
}
