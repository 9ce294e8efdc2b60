//! Faults built into the models on purpose: a simulation that does not find them would find nothing.

use std::{fmt, str::FromStr};

macro_rules! mutants {
    ($($(#[doc = $text:literal])+ $variant:ident = $name:literal,)*) => {
        /// A mutation of a model or of a host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[doc = $text])+ $variant,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

mutants! {
    /// A claim does not look at the lease of another attempt.
    LeaseNotChecked = "lease-not-checked",
    /// A settlement is applied under any token.
    FenceDropped = "fence-dropped",
    /// A settlement that comes again is refused.
    SettlementForgotten = "settlement-forgotten",
    /// An ended job is claimed again.
    EndedJobClaimed = "ended-job-claimed",
    /// A lost attempt is not counted.
    LostNotCounted = "lost-not-counted",
    /// A released attempt is counted.
    ReleaseCounted = "release-counted",
    /// A claim that comes again under the same owner is another attempt.
    RepeatedClaimCounted = "repeated-claim-counted",
    /// A claim that comes again is given the job, though the attempt that it was given before has been settled.
    LateClaimGranted = "late-claim-granted",
    /// Attempts have no limit.
    LimitIgnored = "limit-ignored",
    /// A limit has a place for everybody.
    PlaceNotChecked = "place-not-checked",
    /// A place in a limit stays taken when its attempt has ended.
    PlaceNotFreed = "place-not-freed",
    /// Every end of an attempt is recorded as a success.
    EverythingSucceeds = "everything-succeeds",
    /// A job that waits for others is claimed.
    WaitingJobClaimed = "waiting-job-claimed",
    /// The batch's counter is changed after the transaction, and not where its answer is lost.
    CounterOutside = "counter-outside",
    /// The batch's counter is changed again by a settlement that comes again.
    CountedAgain = "counted-again",
    /// A message of another job claims the id.
    OwnerNotChecked = "owner-not-checked",
    /// An enqueued job is acknowledged before it is written.
    AnsweredBeforeWritten = "answered-before-written",
    /// A FIFO group is not held back while one of its messages is in flight.
    GroupNotHeld = "group-not-held",
    /// The queue loses messages that carry a settlement.
    SettlementLost = "settlement-lost",
    /// A message that is released stays hidden for a day.
    ReleaseForgotten = "release-forgotten",
    /// The host deletes messages when it receives them.
    DeletedOnReceipt = "deleted-on-receipt",
    /// The host deletes a message before its dead letter is sent.
    DeadLetterLater = "dead-letter-later",
    /// The host tells the worker a later deadline than its own.
    DeadlineTooLate = "deadline-too-late",
    /// The host delivers a message of a batch twice, under the same receipt.
    AnsweredTwice = "answered-twice",
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mutant {
    type Err = UnknownMutant;

    fn from_str(text: &str) -> Result<Self, UnknownMutant> {
        Self::ALL.iter().copied().find(|mutant| mutant.name() == text).ok_or_else(|| UnknownMutant(text.into()))
    }
}

/// A text that is not the name of a [`Mutant`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no mutant {0:?}; --mutants lists them")]
pub struct UnknownMutant(String);
