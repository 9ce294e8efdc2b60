//! Deliveries, which a host passes to the worker, and dispositions, which the worker returns.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{error::ErrorText, message::Trace, ports::Token};

/// One received message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// The queue's name, without any suffix.
    pub queue: Arc<str>,
    /// The transport's id of the message. Not an identity of the job: a redrive changes it.
    pub message_id: String,
    /// The transport's handle for settling the message.
    pub receipt: String,
    /// The body as received.
    pub body: String,
    /// The number of receives of the message, this one included; from 1.
    pub receive_count: u32,
    /// The message group, on FIFO queues only: jobs of one group run one after the other.
    pub group: Option<Arc<str>>,
    /// The handle by which a store hides the message and shows it again, while its job waits for a
    /// [limit](crate::Limit). Only needed where a function [has limits](crate::Function::has_limits), and the store is not
    /// the queue.
    pub handle: Option<Arc<str>>,
    /// The trace context that the transport has for the message. It is used if the message has none of its own.
    pub trace: Option<Trace>,
}

impl Delivery {
    /// A message that is received for the first time, of no group.
    pub fn new(
        queue: impl Into<Arc<str>>,
        message_id: impl Into<String>,
        receipt: impl Into<String>,
        body: impl Into<String>,
    ) -> Self {
        Self {
            queue: queue.into(),
            message_id: message_id.into(),
            receipt: receipt.into(),
            body: body.into(),
            receive_count: 1,
            group: None,
            handle: None,
            trace: None,
        }
    }

    /// Sets the number of receives, this one included.
    #[must_use]
    pub fn received(mut self, times: u32) -> Self {
        self.receive_count = times;
        self
    }

    /// Sets the message group.
    #[must_use]
    pub fn group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = Some(group.into());
        self
    }
}

/// The worker's instruction for one delivery, which the host must carry out.
#[derive(Debug, Clone)]
pub struct Disposition {
    /// [`Delivery::message_id`].
    pub message_id: String,
    /// [`Delivery::receipt`].
    pub receipt: String,
    /// The action on the message.
    pub action: MessageAction,
    /// The token under which the job ran, if a store issued one. A host whose store is also its queue does not touch a
    /// message that continues under another token: its job was cancelled and retried meanwhile.
    pub token: Option<Token>,
    /// The store has already settled the message: the host does not touch it. Where the action deletes the message, only
    /// when the store is also the queue.
    pub done: bool,
}

/// An action on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageAction {
    /// Delete it.
    Ack,
    /// Redeliver it after this time: an attempt has failed, or the handler snoozed the job.
    Retry(Duration),
    /// Redeliver it: it has not been run. `None` leaves its visibility timeout unchanged.
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
    /// Too many jobs enqueued each other in a chain.
    TooManyHops,
    /// The handler failed the job for good.
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
