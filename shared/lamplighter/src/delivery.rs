//! What a host hands to the worker, and what the worker answers.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{error::ErrorText, ports::Token};

/// One received message.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The queue's name, without any suffix.
    pub queue: Arc<str>,
    /// The transport's id of the message. Not an identity of the job: a redrive changes it.
    pub message_id: String,
    /// What the transport wants to see again when the message is settled.
    pub receipt: String,
    /// The body as it came.
    pub body: String,
    /// How often the message has been received, this time included; from 1.
    pub receive_count: u32,
    /// The message group, on FIFO queues only: jobs of one group run one after the other.
    pub group: Option<Arc<str>>,
}

/// What the host must do with one delivery.
#[derive(Debug, Clone)]
pub struct Disposition {
    /// [`Delivery::message_id`].
    pub message_id: String,
    /// [`Delivery::receipt`].
    pub receipt: String,
    /// What to do.
    pub action: MessageAction,
    /// The right under which the job ran, where a store had given one. A host whose store and queue are one does nothing
    /// to a message that goes on under another right: its job was cancelled and retried meanwhile.
    pub token: Option<Token>,
    /// The store has already done it to the message, in the same transaction as the record: the host has nothing left
    /// to do. Only where store and queue are one.
    pub done: bool,
}

/// What to do with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageAction {
    /// Delete it.
    Ack,
    /// Let it come again after this time: an attempt has failed, or the handler put the job back.
    Retry(Duration),
    /// Let it come again: it has not been run. `None` leaves its visibility timeout as it is.
    Release(Option<Duration>),
    /// Move it to the dead-letter queue with the reason, and delete it.
    DeadLetter(DeadLetterCause),
}

/// Why a message goes to the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterCause {
    /// The kind of reason.
    pub reason: DeadLetterReason,
    /// The error, in one line.
    pub error: ErrorText,
}

/// The kinds of reason for which a message goes to the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadLetterReason {
    /// The body is not a message, or its arguments do not fit the job.
    BadMessage,
    /// No function here knows the job.
    UnknownJob,
    /// Its id belongs to another job.
    ForeignId,
    /// All attempts are used up.
    AttemptsExhausted,
    /// Too many jobs begat each other.
    TooManyHops,
    /// The handler said that the job has failed for good.
    #[default]
    #[serde(other)] // a reason that only a newer version knows
    Failed,
}

impl DeadLetterReason {
    /// All reasons.
    const ALL: [Self; 6] =
        [Self::BadMessage, Self::UnknownJob, Self::ForeignId, Self::AttemptsExhausted, Self::TooManyHops, Self::Failed];

    /// The reason of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// The reason as dead-letter messages carry it, in the attribute `lamplighter.reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadMessage => "bad-message",
            Self::UnknownJob => "unknown-job",
            Self::ForeignId => "foreign-id",
            Self::AttemptsExhausted => "attempts-exhausted",
            Self::Failed => "failed",
            Self::TooManyHops => "too-many-hops",
        }
    }
}
