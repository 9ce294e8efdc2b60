//! What an operation is done to.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    error::Fingerprint,
    id::JobId,
    ports::{DeadLetterFilter, DeadLetterKey},
};

/// What an operation is done to. In JSON, `kind` says which it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Target {
    /// One job.
    Job {
        /// Its id.
        id: JobId,
    },
    /// Some jobs, at most [`Target::MOST_JOBS`].
    Jobs {
        /// Their ids.
        ids: Vec<JobId>,
    },
    /// All jobs that match.
    Query {
        /// The query, as `lamplighter::query` writes it. Without states, it means those that the action is for: a retry means
        /// jobs that have failed.
        query: String,
        /// Jobs that are enqueued after this moment, or come into one of the states only then, are left alone.
        end: Timestamp,
    },
    /// A batch: cancelled as a whole, else the jobs in it.
    Batch {
        /// Its id.
        id: JobId,
    },
    /// A queue.
    Queue {
        /// Its name.
        queue: String,
    },
    /// Dead letters of a queue. All conditions must hold.
    DeadLetters {
        /// The queue.
        queue: String,
        /// Of this job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<String>,
        /// Dead for this reason.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The one of this key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<DeadLetterKey>,
        /// Dead since this moment, or later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
        /// Dead since before this moment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Timestamp>,
    },
    /// A schedule.
    Schedule {
        /// Its name.
        schedule: String,
    },
    /// An error group.
    ErrorGroup {
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// A job that does not exist yet.
    New,
}

impl Target {
    /// The most jobs that are given by their ids: an operation is written again after each page. More are a query.
    pub const MOST_JOBS: usize = 500;

    /// All dead letters of a queue that fit.
    #[must_use]
    pub fn dead_letters(queue: impl Into<String>, filter: &DeadLetterFilter) -> Self {
        let DeadLetterFilter { key, job, reason, since, before } = filter.clone();
        Self::DeadLetters { queue: queue.into(), job, reason, key, since, before }
    }

    /// Which dead letters these are, if they are any: the queue, and the filter.
    #[must_use]
    pub fn dead_letter_filter(&self) -> Option<(&str, DeadLetterFilter)> {
        match self {
            Self::DeadLetters { queue, job, reason, key, since, before } => {
                let mut filter = DeadLetterFilter::all();
                (filter.job, filter.key) = (job.clone(), key.clone());
                (filter.reason, filter.since, filter.before) = (reason.clone(), *since, *before);
                Some((queue, filter))
            }
            _ => None,
        }
    }

    /// The target's kind: the word used in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Job { .. } => "job",
            Self::Jobs { .. } => "jobs",
            Self::Query { .. } => "query",
            Self::Batch { .. } => "batch",
            Self::Queue { .. } => "queue",
            Self::DeadLetters { .. } => "dead-letters",
            Self::Schedule { .. } => "schedule",
            Self::ErrorGroup { .. } => "error-group",
            Self::New => "new",
        }
    }
}

impl fmt::Display for Target {
    /// For people: `jobs that match state:failed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job { id } => write!(f, "job {id}"),
            Self::Jobs { ids } => write!(f, "{} jobs", ids.len()),
            Self::Query { query, .. } if query.is_empty() => f.write_str("all jobs"),
            Self::Query { query, .. } => write!(f, "jobs that match {query}"),
            Self::Batch { id } => write!(f, "batch {id}"),
            Self::Queue { queue } => write!(f, "queue {queue}"),
            Self::DeadLetters { queue, key: Some(_), .. } => write!(f, "a dead letter of {queue}"),
            Self::DeadLetters { queue, job: Some(job), .. } => write!(f, "dead letters of {job} on {queue}"),
            Self::DeadLetters { queue, .. } => write!(f, "dead letters of {queue}"),
            Self::Schedule { schedule } => write!(f, "schedule {schedule}"),
            Self::ErrorGroup { fingerprint } => write!(f, "error group {fingerprint}"),
            Self::New => f.write_str("a new job"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_says_its_kind_in_json() {
        let dead = Target::dead_letters("work", &DeadLetterFilter::all().with_key(DeadLetterKey::Number(7)));
        let json = serde_json::to_string(&dead).unwrap();
        assert_eq!(json, r#"{"kind":"dead-letters","queue":"work","key":{"number":7}}"#);
        assert_eq!(serde_json::from_str::<Target>(&json).unwrap(), dead);
        assert_eq!(dead.dead_letter_filter().unwrap().1.key, Some(DeadLetterKey::Number(7)));
        assert_eq!(serde_json::to_value(Target::New).unwrap()["kind"], Target::New.kind());
        assert_eq!((dead.kind(), dead.to_string()), ("dead-letters", "a dead letter of work".to_owned()));
    }
}
