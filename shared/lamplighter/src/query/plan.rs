//! What of a query the store's index knows.

use jiff::Timestamp;

use super::{Query, When};
use crate::{ports::ListQuery, record::JobState};

/// A query, as far as the store finds its records by index.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) list: ListQuery,
    /// Whether all that the store finds fits.
    pub(crate) is_whole: bool,
}

impl Plan {
    /// Of a pinned query; `None` when nothing can fit.
    pub(crate) fn of(query: &Query) -> Option<Self> {
        let states: Vec<JobState> = match (&*query.states, &*query.without_states) {
            (states, []) => states.to_vec(),
            (states, without) => {
                let wanted =
                    |state: &JobState| (states.is_empty() || states.contains(state)) && !without.contains(state);
                let wanted: Vec<_> = JobState::ALL.into_iter().filter(wanted).collect();
                if wanted.is_empty() {
                    return None;
                }
                wanted
            }
        };
        let at = |when: Option<When>| match when {
            Some(When::At(moment)) => Some(moment),
            Some(When::Ago(_)) | None => None,
        };
        let error = match &*query.fingerprints {
            [only] => only.parse().ok(),
            _ => None,
        };
        let id_prefix = match &*query.ids {
            [only] => Some(only.split('*').next().unwrap_or_default().to_owned()).filter(|start| !start.is_empty()),
            _ => None,
        };
        let is_prefix = |id: &str| id.find('*').is_some_and(|at| id[at..].bytes().all(|byte| byte == b'*'));
        let ids_are_known = match &*query.ids {
            [] => true,
            [only] => is_prefix(only),
            _ => false,
        };
        let list = ListQuery {
            states,
            jobs: query.jobs.clone(),
            queues: query.queues.clone(),
            without_jobs: query.without_jobs.clone(),
            without_queues: query.without_queues.clone(),
            id_prefix,
            text: query.texts.first().cloned(),
            since: at(query.since),
            before: at(query.before),
            error,
            ..ListQuery::default()
        };
        let is_whole = ids_are_known
            && query.fingerprints.len() == usize::from(error.is_some())
            && query.texts.len() <= 1
            && query.errors.is_empty()
            && query.attempts.is_empty()
            && query.args.is_empty()
            && query.tags.is_empty()
            && query.schedules.is_empty()
            && query.batches.is_empty()
            && query.parents.is_empty();
        Some(Self { list, is_whole })
    }

    /// Whether it asks for states and queues only, which stores count.
    pub(crate) fn is_counted(&self) -> bool {
        let ListQuery { jobs, without_jobs, id_prefix, text, since, before, error, .. } = &self.list;
        self.is_whole
            && jobs.is_empty()
            && without_jobs.is_empty()
            && (id_prefix.is_none() && text.is_none() && error.is_none())
            && (since.is_none() && before.is_none())
    }

    /// Where no record is newer: the moment from which the search goes back.
    pub(crate) fn end(&self, now: Timestamp) -> Timestamp {
        self.list.before.map_or(now, |before| before.min(now))
    }
}
