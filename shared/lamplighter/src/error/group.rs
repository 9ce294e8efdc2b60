//! Failed attempts of one cause.

use jiff::Timestamp;

use super::{
    ErrorNote, ErrorText, Fingerprint,
    fingerprint::{normal_messages, title},
    normal,
};
use crate::{
    id::JobId,
    record::{AttemptOutcome, Record},
};

/// Failed attempts of one cause, over all jobs of one name: those with the same [`Fingerprint`].
///
/// Attempts that are followed by another one count, and so do those after which their job has failed, and those that
/// were [lost](AttemptOutcome::Lost). Attempts of jobs without records do not. A group is kept for [`KEPT`](Self::KEPT)
/// after its latest failure, and begins anew with the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorGroup {
    /// What its failures have in common.
    pub fingerprint: Fingerprint,
    /// The name of its jobs.
    pub job: String,
    /// The queue of the latest failure.
    pub queue: String,
    /// How the attempts ended.
    pub outcome: AttemptOutcome,
    /// Their error without what varies: [`ErrorText::title`].
    pub title: String,
    /// When the first of them ended.
    pub first_seen: Timestamp,
    /// When the latest of them ended.
    pub last_seen: Timestamp,
    /// Failed attempts.
    pub failures: u64,
    /// Jobs with such an attempt; `None` where the backend does not count them.
    pub jobs: Option<u64>,
    /// The latest failure, or one of the latest.
    pub sample: ErrorSample,
    /// What a person has written about it.
    pub note: Option<ErrorNote>,
}

/// One failure of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSample {
    /// The job. Its record may have expired.
    pub id: JobId,
    /// Its error, cut to [`MAX_MESSAGE`](Self::MAX_MESSAGE).
    pub message: String,
}

/// A failed attempt, as it counts in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The group's fingerprint.
    pub fingerprint: Fingerprint,
    /// The job's name.
    pub job: String,
    /// Its queue.
    pub queue: String,
    /// How the attempt ended.
    pub outcome: AttemptOutcome,
    /// The group's title.
    pub title: String,
    /// When it ended.
    pub at: Timestamp,
    /// The failure itself.
    pub sample: ErrorSample,
}

impl ErrorGroup {
    /// How long a group is kept after its latest failure: as long as a failed job by default.
    pub const KEPT: std::time::Duration = std::time::Duration::from_secs(30 * 86_400);

    /// A group of one failure.
    #[must_use]
    pub fn of(failure: Failure) -> Self {
        let Failure { fingerprint, job, queue, outcome, title, at, sample } = failure;
        let (first_seen, last_seen, failures, jobs) = (at, at, 1, None);
        Self { fingerprint, job, queue, outcome, title, first_seen, last_seen, failures, jobs, sample, note: None }
    }
}

impl Failure {
    /// An attempt of the job `name` on `queue` that failed with this error at that moment.
    #[must_use]
    pub fn new(
        id: &JobId,
        (name, queue): (&str, &str),
        (outcome, at): (AttemptOutcome, Timestamp),
        error: &ErrorText,
    ) -> Self {
        let messages = normal_messages(error);
        Self {
            fingerprint: Fingerprint::of_normal(name, outcome, &messages),
            job: name.to_owned(),
            queue: queue.to_owned(),
            outcome,
            title: title(&messages),
            at,
            sample: ErrorSample::new(id.clone(), error),
        }
    }
}

impl ErrorSample {
    /// The longest message, in bytes.
    pub const MAX_MESSAGE: usize = 300;

    /// A job, and its error.
    #[must_use]
    pub fn new(id: JobId, error: &ErrorText) -> Self {
        let mut message = error.to_string();
        if message.len() > Self::MAX_MESSAGE {
            message.truncate(normal::boundary(&message, Self::MAX_MESSAGE - '…'.len_utf8()));
            message.push('…');
        }
        Self { id, message }
    }
}

impl Record {
    /// The fingerprint of the latest attempt that ended, if it failed.
    #[must_use]
    pub fn last_fingerprint(&self) -> Option<Fingerprint> {
        self.attempts.last().and_then(|attempt| attempt.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_a_short_title_and_a_short_sample_whatever_its_error() {
        let error = ErrorText { message: "7ü".repeat(5_000_000), chain: vec!["9".repeat(1_000_000); 20] };
        let id = JobId::new("order-42").unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let failure = Failure::new(&id, ("order.ship", "orders"), (AttemptOutcome::Error, at), &error);
        assert!(failure.title.len() <= ErrorText::MAX_TITLE, "{}", failure.title);
        assert!(failure.sample.message.len() <= ErrorSample::MAX_MESSAGE && failure.sample.message.ends_with('…'));
        let group = ErrorGroup::of(failure.clone());
        assert_eq!((group.failures, group.first_seen, group.last_seen), (1, at, at));
        assert_eq!((group.fingerprint, group.title), (failure.fingerprint, failure.title));
    }
}
