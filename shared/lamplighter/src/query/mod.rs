//! Which jobs: the queries of the command line (`--query`), of URLs and of the API, and searching by them.
//!
//! ```
//! use lamplighter::{JobState, query::Query};
//!
//! let query: Query = "state:failed,retrying job:webhook.* error:\"timed out\" since:2h".parse()?;
//! assert_eq!(query.states(), [JobState::Retrying, JobState::Failed]);
//! assert_eq!(query.to_string(), "state:retrying,failed job:webhook.* error:\"timed out\" since:2h");
//! # Ok::<(), lamplighter::query::InvalidQuery>(())
//! ```
//!
//! The grammar is in the project's docs, in `docs/queries.md`.

mod args;
mod display;
mod error;
mod fits;
mod near;
mod parse;
mod pattern;
mod plan;
mod search;
mod terms;
#[cfg(test)]
mod tests;
mod tokens;
mod when;

use jiff::Timestamp;

pub(crate) use self::plan::Plan;
pub use self::{
    args::ArgumentTerm,
    error::InvalidQuery,
    parse::KEYS,
    pattern::name_fits,
    search::{Coverage, MatchCount, Matches, Search},
    terms::{AttemptTerm, Comparison},
    when::When,
};
use crate::{error::Fingerprint, id::JobId, record::JobState};

/// Which jobs: those that fit all terms. As text it has the grammar of `docs/queries.md`; without terms it fits all jobs.
///
/// Of terms that a job has one value for (its state, its name, its queue, its id, its error, its schedule, its batch, its
/// parent), one must fit; of all others, each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub(crate) states: Vec<JobState>,
    pub(crate) without_states: Vec<JobState>,
    pub(crate) jobs: Vec<String>,
    pub(crate) without_jobs: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub(crate) without_queues: Vec<String>,
    pub(crate) ids: Vec<String>,
    /// Fingerprints in lower case, or their beginnings.
    pub(crate) fingerprints: Vec<String>,
    pub(crate) errors: Vec<Vec<String>>,
    pub(crate) since: Option<When>,
    pub(crate) before: Option<When>,
    pub(crate) attempts: Vec<AttemptTerm>,
    pub(crate) args: Vec<ArgumentTerm>,
    pub(crate) tags: Vec<Vec<String>>,
    pub(crate) schedules: Vec<String>,
    pub(crate) batches: Vec<String>,
    pub(crate) parents: Vec<String>,
    pub(crate) texts: Vec<String>,
}

/// Adds what is not there yet.
fn add(values: &mut Vec<String>, value: &str) {
    if !value.is_empty() && !values.iter().any(|known| known == value) {
        values.push(value.to_owned());
    }
}

/// Adds a state, in the order of a job's life.
fn add_state(states: &mut Vec<JobState>, state: JobState) {
    *states = JobState::ALL.into_iter().filter(|known| *known == state || states.contains(known)).collect();
}

/// An empty text adds no term.
impl Query {
    /// The longest query, in characters.
    pub const MAX_CHARS: usize = 2000;
    /// The most terms of a query.
    pub const MAX_TERMS: usize = 50;
    /// The fewest digits of a fingerprint's beginning.
    pub const MIN_FINGERPRINT: usize = 4;

    /// All jobs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Jobs in this state, or one of the others that are named.
    #[must_use]
    pub fn state(mut self, state: JobState) -> Self {
        add_state(&mut self.states, state);
        self
    }

    /// Not jobs in this state.
    #[must_use]
    pub fn without_state(mut self, state: JobState) -> Self {
        add_state(&mut self.without_states, state);
        self
    }

    /// Jobs of this name, in which `*` stands for any characters, or of one of the others.
    #[must_use]
    pub fn job(mut self, name: &str) -> Self {
        add(&mut self.jobs, name);
        self
    }

    /// Not jobs of this name.
    #[must_use]
    pub fn without_job(mut self, name: &str) -> Self {
        add(&mut self.without_jobs, name);
        self
    }

    /// Jobs of this queue, in which `*` stands for any characters, or of one of the others.
    #[must_use]
    pub fn queue(mut self, name: &str) -> Self {
        add(&mut self.queues, name);
        self
    }

    /// Jobs of these queues, in place of the queues that were named before. What is excluded stays excluded.
    #[must_use]
    pub fn in_queues<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.queues.clear();
        names.into_iter().fold(self, Self::queue)
    }

    /// Not jobs of this queue.
    #[must_use]
    pub fn without_queue(mut self, name: &str) -> Self {
        add(&mut self.without_queues, name);
        self
    }

    /// The job with this id, in which `*` stands for any characters, or with one of the others.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        add(&mut self.ids, id);
        self
    }

    /// Jobs whose latest attempt has failed with this fingerprint, or one of the others.
    #[must_use]
    pub fn error_group(mut self, fingerprint: Fingerprint) -> Self {
        add(&mut self.fingerprints, &fingerprint.to_string());
        self
    }

    /// Jobs whose latest attempt has failed with an error in whose texts this occurs, in upper or lower case.
    #[must_use]
    pub fn error(mut self, text: &str) -> Self {
        if !text.is_empty() {
            self.errors.push(vec![text.to_owned()]);
        }
        self
    }

    /// Jobs known to the store since this moment.
    #[must_use]
    pub fn since(mut self, moment: Timestamp) -> Self {
        self.since = Some(When::at(moment));
        self
    }

    /// Jobs known to the store before this moment.
    #[must_use]
    pub fn before(mut self, moment: Timestamp) -> Self {
        self.before = Some(When::at(moment));
        self
    }

    /// Jobs with this tag.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        if !tag.is_empty() {
            self.tags.push(vec![tag.to_owned()]);
        }
        self
    }

    /// Jobs of this schedule, or one of the others.
    #[must_use]
    pub fn schedule(mut self, name: &str) -> Self {
        add(&mut self.schedules, name);
        self
    }

    /// Jobs of this batch, or one of the others.
    #[must_use]
    pub fn batch(mut self, id: &JobId) -> Self {
        add(&mut self.batches, id.as_str());
        self
    }

    /// Jobs that this job has enqueued, or one of the others.
    #[must_use]
    pub fn parent(mut self, id: &JobId) -> Self {
        add(&mut self.parents, id.as_str());
        self
    }

    /// Jobs whose id begins with this, or that have this name.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        add(&mut self.texts, text);
        self
    }

    /// The states, in the order of a job's life; empty for any.
    #[must_use]
    pub fn states(&self) -> &[JobState] {
        &self.states
    }

    /// The states that jobs must not be in.
    #[must_use]
    pub fn excluded_states(&self) -> &[JobState] {
        &self.without_states
    }

    /// The names of jobs; empty for any.
    #[must_use]
    pub fn jobs(&self) -> &[String] {
        &self.jobs
    }

    /// The names that jobs must not have.
    #[must_use]
    pub fn excluded_jobs(&self) -> &[String] {
        &self.without_jobs
    }

    /// The queues; empty for any.
    #[must_use]
    pub fn queues(&self) -> &[String] {
        &self.queues
    }

    /// The queues that jobs must not be on.
    #[must_use]
    pub fn excluded_queues(&self) -> &[String] {
        &self.without_queues
    }

    /// The ids; empty for any.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The fingerprints, or beginnings of them; empty for any.
    #[must_use]
    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// The texts of errors: of each list, one must occur.
    #[must_use]
    pub fn error_texts(&self) -> &[Vec<String>] {
        &self.errors
    }

    /// Since when jobs are known.
    #[must_use]
    pub const fn known_since(&self) -> Option<When> {
        self.since
    }

    /// Before when jobs are known.
    #[must_use]
    pub const fn known_before(&self) -> Option<When> {
        self.before
    }

    /// The conditions on the number of attempts.
    #[must_use]
    pub fn attempts(&self) -> &[AttemptTerm] {
        &self.attempts
    }

    /// The conditions on arguments.
    #[must_use]
    pub fn arguments(&self) -> &[ArgumentTerm] {
        &self.args
    }

    /// The tags: of each list, a job has one.
    #[must_use]
    pub fn tags(&self) -> &[Vec<String>] {
        &self.tags
    }

    /// The schedules; empty for any.
    #[must_use]
    pub fn schedules(&self) -> &[String] {
        &self.schedules
    }

    /// The ids of batches; empty for any.
    #[must_use]
    pub fn batches(&self) -> &[String] {
        &self.batches
    }

    /// The ids of parent jobs; empty for any.
    #[must_use]
    pub fn parents(&self) -> &[String] {
        &self.parents
    }

    /// The texts without a key.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Whether it has no terms.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The same with moments in place of times ago, such as `since:2h`.
    #[must_use]
    pub fn pinned(&self, now: Timestamp) -> Self {
        let pin = |when: Option<When>| when.map(|when| When::at(when.from(now)));
        Self { since: pin(self.since), before: pin(self.before), ..self.clone() }
    }
}
