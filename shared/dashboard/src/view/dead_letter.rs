//! Dead letters.

use jiff::Timestamp;
use lamplighter::backend::{DeadLetter, DeadLetterCounts, DeadLetterKey};
use serde::Serialize;
use utoipa::ToSchema;

use super::{MOST_LISTED, schema};

/// One dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetterView {
    /// Its number, embedded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Its message id, on SQS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Its queue.
    pub queue: String,
    /// The id of its job, as the message says.
    pub id: String,
    /// The name of its job.
    pub job: String,
    /// Why it is dead.
    pub reason: String,
    /// The last error.
    pub error: String,
    /// Since when.
    #[schema(schema_with = schema::moment)]
    pub dead_since: Timestamp,
    /// How often it was received.
    pub receive_count: u32,
    /// Its message group.
    pub group: Option<String>,
    /// The message, sensitive arguments hidden. Among others, one of more than 4 KiB is cut: it is whole where it is asked for by its
    /// key.
    pub body: String,
    /// Whether the message is cut.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub is_shortened: bool,
}

impl DeadLetterView {
    /// The key as text, by which a filter names it.
    #[must_use]
    pub fn key(&self) -> String {
        match (&self.number, &self.message_id) {
            (Some(number), _) => number.to_string(),
            (None, id) => id.clone().unwrap_or_default(),
        }
    }

    /// As one among others, whose message is cut if it is long.
    #[must_use]
    pub fn listed(mut self) -> Self {
        if self.body.len() > MOST_LISTED {
            self.body.truncate(self.body.floor_char_boundary(MOST_LISTED));
            self.body.push('…');
            self.is_shortened = true;
        }
        self
    }

    /// The key with its kind, as an address has it.
    pub(crate) fn address_key(&self) -> String {
        match self.number {
            Some(number) => format!("number:{number}"),
            None => format!("message:{}", self.message_id.as_deref().unwrap_or_default()),
        }
    }
}

impl From<DeadLetter> for DeadLetterView {
    fn from(letter: DeadLetter) -> Self {
        let DeadLetter { key, queue, id, job, reason, error, dead_since, receive_count, group, body, .. } = letter;
        let (number, message_id) = match key {
            DeadLetterKey::Number(number) => (Some(number), None),
            DeadLetterKey::MessageId(id) => (None, Some(id)),
            _ => (None, None),
        };
        Self {
            number,
            message_id,
            queue,
            id,
            job,
            reason,
            error,
            dead_since,
            receive_count,
            group,
            body,
            is_shortened: false,
        }
    }
}

/// The number of dead letters of a job for a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetterCountView {
    /// The queue.
    pub queue: String,
    /// The job's name.
    pub job: String,
    /// Why they are dead.
    pub reason: String,
    /// How many.
    pub dead_letters: u64,
}

/// The dead letters of a queue, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeadLetterCountsView {
    /// By job and reason.
    pub counts: Vec<DeadLetterCountView>,
    /// Those that could not be looked at.
    pub uncounted: u64,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

impl DeadLetterCountsView {
    /// The counts of a queue.
    #[must_use]
    pub fn of(queue: &str, counts: DeadLetterCounts, as_of: Timestamp) -> Self {
        let uncounted = counts.uncounted;
        let of_one = |count: lamplighter::backend::DeadLetterCount| DeadLetterCountView {
            queue: queue.to_owned(),
            job: count.job,
            reason: count.reason,
            dead_letters: count.dead_letters,
        };
        Self { counts: counts.counts.into_iter().map(of_one).collect(), uncounted, as_of }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| count.dead_letters).sum::<u64>() + self.uncounted
    }
}
