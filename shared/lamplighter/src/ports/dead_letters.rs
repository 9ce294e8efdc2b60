//! Dead letters: which, how many, and what is known about each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A message in the dead-letter queue of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// What names it among the dead letters of its queue.
    #[serde(flatten)]
    pub key: DeadLetterKey,
    /// The queue that it came from.
    pub queue: String,
    /// The job's id; where the body gives none, that of the message.
    pub id: String,
    /// The job's name, as far as the body tells it; else empty.
    pub job: String,
    /// Why it is dead: the text of the reason that the worker had, or [`DeadLetter::MAX_RECEIVES`].
    pub reason: String,
    /// The error, in one line; empty where the queue moved it by itself.
    pub error: String,
    /// Since when it is dead. A message that SQS itself moved keeps the moment at which it was first sent (Amazon SQS
    /// Developer Guide, "Using dead-letter queues").
    pub dead_since: Timestamp,
    /// How often it was received: from its queue, or where that is not known, from the dead-letter queue.
    pub receive_count: u32,
    /// Its message group.
    pub group: Option<String>,
    /// The body as it came.
    pub body: String,
}

impl DeadLetter {
    /// The reason of a message that the queue moved by itself: it was received as often as its queue allows, and never
    /// answered.
    pub const MAX_RECEIVES: &'static str = "max-receive-count";

    /// A dead letter of a queue with this body, about which nothing else is known.
    #[must_use]
    pub fn new(key: DeadLetterKey, queue: impl Into<String>, id: impl Into<String>, body: impl Into<String>) -> Self {
        let (job, error) = Default::default();
        let (queue, id, body, reason) = (queue.into(), id.into(), body.into(), Self::MAX_RECEIVES.into());
        Self {
            key,
            queue,
            id,
            job,
            reason,
            error,
            dead_since: Timestamp::UNIX_EPOCH,
            receive_count: 0,
            group: None,
            body,
        }
    }
}

/// What names a dead letter among those of its queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterKey {
    /// A number, which rises from one dead letter to the next.
    Number(i64),
    /// The id that SQS gave the message in the dead-letter queue.
    MessageId(String),
}

/// Which dead letters of a queue. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterFilter {
    /// The one of this key.
    pub key: Option<DeadLetterKey>,
    /// Of this job.
    pub job: Option<String>,
    /// With this [reason](DeadLetter::reason).
    pub reason: Option<String>,
    /// Dead [since](DeadLetter::dead_since) this moment, or later.
    pub since: Option<Timestamp>,
    /// Dead since before this moment.
    pub before: Option<Timestamp>,
}

impl DeadLetterFilter {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Only the one of this key.
    #[must_use]
    pub fn with_key(mut self, key: DeadLetterKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Only those of this job.
    #[must_use]
    pub fn with_job(mut self, job: impl Into<String>) -> Self {
        self.job = Some(job.into());
        self
    }

    /// Only those that are dead for this [reason](DeadLetter::reason).
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Only those that are dead since this moment, or later.
    #[must_use]
    pub fn with_since(mut self, moment: Timestamp) -> Self {
        self.since = Some(moment);
        self
    }

    /// Only those that are dead since before this moment.
    #[must_use]
    pub fn with_before(mut self, moment: Timestamp) -> Self {
        self.before = Some(moment);
        self
    }

    /// Whether every dead letter fits.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this dead letter fits.
    #[must_use]
    pub fn fits(&self, dead_letter: &DeadLetter) -> bool {
        self.key.as_ref().is_none_or(|key| *key == dead_letter.key)
            && self.job.as_ref().is_none_or(|job| *job == dead_letter.job)
            && self.reason.as_ref().is_none_or(|reason| *reason == dead_letter.reason)
            && self.since.is_none_or(|since| dead_letter.dead_since >= since)
            && self.before.is_none_or(|before| dead_letter.dead_since < before)
    }
}

/// Which page of which dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetterQuery {
    /// Which ones.
    pub filter: DeadLetterFilter,
    /// How many at most.
    pub limit: usize,
    /// [`DeadLetterPage::next`] of the page before.
    pub cursor: Option<String>,
}

impl DeadLetterQuery {
    /// The first page, with at most so many.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { filter: DeadLetterFilter::all(), limit, cursor: None }
    }

    /// Only these.
    #[must_use]
    pub fn with_filter(mut self, filter: DeadLetterFilter) -> Self {
        self.filter = filter;
        self
    }

    /// The page that begins there.
    #[must_use]
    pub fn with_cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

/// A page of dead letters, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetterPage {
    /// The dead letters.
    pub dead_letters: Vec<DeadLetter>,
    /// Where the next page begins, where there is one. Never for a [sample](Self::sample).
    pub next: Option<String>,
    /// Whether these are any of those that fit, rather than the oldest. Of an SQS queue one cannot ask for more: its dead
    /// letters are received to be looked at, and hidden from others for that moment.
    pub sample: bool,
}

impl DeadLetterPage {
    /// The oldest dead letters that fit.
    #[must_use]
    pub fn oldest(dead_letters: Vec<DeadLetter>, next: Option<String>) -> Self {
        Self { dead_letters, next, sample: false }
    }

    /// Some of the dead letters that fit.
    #[must_use]
    pub fn sample(dead_letters: Vec<DeadLetter>) -> Self {
        Self { dead_letters, next: None, sample: true }
    }
}

/// Dead letters of a queue, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DeadLetterCounts {
    /// How many fit, by job, then by reason.
    pub counts: Vec<DeadLetterCount>,
    /// About how many could not be looked at. Of a FIFO queue of SQS only ten of each group can, of any other 120,000; of
    /// the embedded file all.
    pub uncounted: u64,
}

impl DeadLetterCounts {
    /// These counts, with so many that could not be looked at.
    #[must_use]
    pub fn new(counts: Vec<DeadLetterCount>, uncounted: u64) -> Self {
        Self { counts, uncounted }
    }

    /// How many fit.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|count| count.dead_letters).sum()
    }
}

/// How many dead letters are of one job and have one reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[non_exhaustive]
pub struct DeadLetterCount {
    /// [`DeadLetter::job`].
    pub job: String,
    /// [`DeadLetter::reason`].
    pub reason: String,
    /// The number.
    pub dead_letters: u64,
}

impl DeadLetterCount {
    /// So many of a job, for a reason.
    #[must_use]
    pub fn new(job: impl Into<String>, reason: impl Into<String>, dead_letters: u64) -> Self {
        Self { job: job.into(), reason: reason.into(), dead_letters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn dead(job: &str, second: i64) -> DeadLetter {
        let mut dead_letter = DeadLetter::new(DeadLetterKey::Number(7), "work", "a", "{}");
        (dead_letter.job, dead_letter.dead_since) = (job.into(), moment(second));
        dead_letter
    }

    #[test]
    fn a_filter_takes_what_meets_all_of_its_conditions() {
        let act = dead("act", 100);
        let all = DeadLetterFilter::all;
        assert!(all().is_all() && all().fits(&act));
        let fits = [
            all().with_job("act"),
            all().with_reason(DeadLetter::MAX_RECEIVES),
            all().with_since(moment(100)),
            all().with_before(moment(101)),
            all().with_key(DeadLetterKey::Number(7)),
            all().with_job("act").with_since(moment(99)).with_before(moment(101)),
        ];
        let does_not = [
            all().with_job("other"),
            all().with_reason("failed"),
            all().with_since(moment(101)),
            all().with_before(moment(100)),
            all().with_key(DeadLetterKey::Number(8)),
            all().with_key(DeadLetterKey::MessageId("7".into())),
            all().with_job("act").with_since(moment(101)),
        ];
        assert!(fits.iter().all(|filter| !filter.is_all() && filter.fits(&act)));
        assert!(does_not.iter().all(|filter| !filter.fits(&act)));
    }

    #[test]
    fn a_dead_letter_shows_the_key_that_its_backend_gave_it() {
        let json = |key| serde_json::to_value(DeadLetter::new(key, "work", "a", "{}")).unwrap();
        let numbered = json(DeadLetterKey::Number(7));
        assert_eq!((&numbered["number"], numbered.get("message_id")), (&7.into(), None));
        let of_sqs = json(DeadLetterKey::MessageId("m-1".into()));
        assert_eq!((&of_sqs["message_id"], of_sqs.get("number")), (&"m-1".into(), None));
        assert_eq!(of_sqs["reason"], DeadLetter::MAX_RECEIVES);
    }
}
