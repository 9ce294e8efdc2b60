//! Which records to list, and a page of them.

use jiff::Timestamp;

use crate::{
    error::Fingerprint,
    query::name_fits,
    record::{JobState, Record},
};

/// Which records to list. All conditions must hold; an empty list is no condition.
///
/// In the name of a job or a queue, `*` stands for any characters: `webhook.*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// In one of these states.
    pub states: Vec<JobState>,
    /// Of one of these job names.
    pub jobs: Vec<String>,
    /// Of one of these queues.
    pub queues: Vec<String>,
    /// Of none of these job names.
    pub without_jobs: Vec<String>,
    /// Of none of these queues.
    pub without_queues: Vec<String>,
    /// Whose id begins with this. A page then may have fewer records than there are, or none, and a next one: how many
    /// records are looked at for one page is bounded.
    pub id_prefix: Option<String>,
    /// Whose id begins with this, or whose job has this name. Pages are as for [`id_prefix`](Self::id_prefix).
    pub text: Option<String>,
    /// Known to the store since this moment.
    pub since: Option<Timestamp>,
    /// Known to the store before this moment.
    pub before: Option<Timestamp>,
    /// Whose latest attempt that ended has failed with this fingerprint. Pages are as for [`id_prefix`](Self::id_prefix).
    pub error: Option<Fingerprint>,
    /// [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// Records per page: 1–1000; 0 means 50.
    pub limit: usize,
}

impl ListQuery {
    /// Whether records of this state are wanted.
    #[must_use]
    pub fn takes_state(&self, state: JobState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    /// Whether records of this job on this queue are wanted.
    #[must_use]
    pub fn takes_names(&self, queue: &str, job: &str) -> bool {
        let takes = |wanted: &[String], without: &[String], name: &str| {
            (wanted.is_empty() || wanted.iter().any(|pattern| name_fits(pattern, name)))
                && !without.iter().any(|pattern| name_fits(pattern, name))
        };
        takes(&self.jobs, &self.without_jobs, job) && takes(&self.queues, &self.without_queues, queue)
    }

    /// Whether the record with this id, of this job, is wanted.
    #[must_use]
    pub fn takes_id(&self, id: &str, job: &str) -> bool {
        self.id_prefix.as_ref().is_none_or(|prefix| id.starts_with(prefix.as_str()))
            && self.text.as_ref().is_none_or(|text| id.starts_with(text.as_str()) || name_fits(text, job))
    }
}

/// A page of records.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Newest first.
    pub records: Vec<Record>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}
