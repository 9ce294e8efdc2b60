//! A page of jobs.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::sleep_until;

use super::{
    Runner,
    held::Held,
    meant::{Meant, is_plain, touched},
    pace, within,
};
use crate::{
    operation::{Action, Operation, OperationError, OperationProgress, Target},
    ports::{StoreError, StoreErrorKind},
    query::{Query, Search},
    record::{JobState, Record},
    redaction::Redactions,
};

/// Jobs that are changed at the same time.
const AT_ONCE: usize = 16;

/// The next jobs of an operation.
struct Portion {
    records: Vec<Record>,
    /// Ids without a job.
    missing: u64,
    /// Where the rest begins, if there is one.
    next: Option<String>,
}

impl Runner {
    /// Changes the next page of jobs, and returns whether it was the last one.
    pub(super) async fn jobs(&self, held: &mut Held) -> Result<bool, OperationError> {
        let operation = &held.operation;
        let most = pace::page(operation.per_second);
        let Portion { records, missing, next } = self.portion(operation, most).await?;
        let count = records.len();
        let turns = pace::turns(operation.per_second, &mut held.next, count);
        let meant = &Meant::by(&operation.action, &operation.target);
        let changes: Vec<_> = records
            .iter()
            .zip(turns)
            .map(async |(record, turn)| {
                if let Some(turn) = turn {
                    sleep_until(turn).await;
                }
                (record, within(self.change(operation, meant, record)).await)
            })
            .collect();
        let answers: Vec<_> = stream::iter(changes).buffer_unordered(AT_ONCE).collect().await;
        let mut progress = OperationProgress { done: missing, unchanged: missing, ..OperationProgress::default() };
        let mut first = None;
        for (record, answer) in answers {
            progress.add(match &answer {
                Ok(0) => OperationProgress::UNCHANGED,
                Ok(changed) => OperationProgress { done: *changed, changed: *changed, ..OperationProgress::default() },
                Err(_) => OperationProgress::FAILED,
            });
            if let Err(error) = answer {
                first.get_or_insert((record.id.clone(), error));
            }
        }
        if let Some((id, error)) = first {
            // The store is away: these jobs have their turn when it is back.
            if progress.failed == count as u64 && error.kind() == StoreErrorKind::Unavailable {
                return Err(error.into());
            }
            held.operation.note_error(format_args!("job {id}: {error}"));
        }
        held.operation.progress.add(progress);
        let is_last = next.is_none();
        if !is_last {
            held.operation.cursor = next;
        }
        Ok(is_last)
    }

    async fn portion(&self, operation: &Operation, most: usize) -> Result<Portion, OperationError> {
        match &operation.target {
            Target::Job { id } => self.by_ids(std::slice::from_ref(id), operation, most).await,
            Target::Jobs { ids } => self.by_ids(ids, operation, most).await,
            Target::Batch { id } if operation.action == Action::Cancel => {
                self.by_ids(std::slice::from_ref(id), operation, most).await
            }
            target => {
                let Some(mut search) = self.search(&operation.action, target, operation.created_at)? else {
                    return Ok(Portion { records: Vec::new(), missing: 0, next: None });
                };
                if let (None, Some(jobs)) = (&self.shared.redactions, &operation.comparable) {
                    search = search.with_redactions(Redactions::of_shown(jobs));
                }
                let search = search.with_limit(most).with_cursor(operation.cursor.clone());
                let mut found = within(self.client().search(&search)).await?;
                found.records.retain(is_plain);
                Ok(Portion { records: found.records, missing: 0, next: found.next })
            }
        }
    }

    async fn by_ids(
        &self,
        ids: &[crate::id::JobId],
        operation: &Operation,
        most: usize,
    ) -> Result<Portion, OperationError> {
        let from = operation.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0).min(ids.len());
        let to = from.saturating_add(most).min(ids.len());
        let found = within(self.client().store()?.get_each(&ids[from..to])).await?;
        let missing = found.iter().filter(|record| record.is_none()).count() as u64;
        let next = (to < ids.len()).then(|| to.to_string());
        Ok(Portion { records: found.into_iter().flatten().collect(), missing, next })
    }

    /// The search for the jobs of a target that an action changes; `None` if there can be none.
    pub(super) fn search(
        &self,
        action: &Action,
        target: &Target,
        now: Timestamp,
    ) -> Result<Option<Search>, OperationError> {
        let (query, end) = match target {
            Target::Query { query, end } => {
                let query: Query = query.parse().map_err(|error| OperationError::Invalid(format!("{error}")))?;
                (query, *end)
            }
            Target::Batch { id } => (Query::new().batch(id), now),
            _ => return Ok(None),
        };
        let Some(query) = touched(action, query.pinned(now)) else { return Ok(None) };
        // With those of this very moment.
        let after = end.saturating_add(Duration::from_nanos(1)).unwrap_or(end);
        let before = query.known_before().map_or(after, |when| when.from(now).min(after));
        let search = Search::new(query.before(before));
        Ok(Some(match &self.shared.redactions {
            Some(redactions) => search.with_redactions(redactions.clone()),
            None => search,
        }))
    }

    /// Changes a job, and returns how many it has changed: one, or with a batch those that were open in it. One in another state,
    /// or that has changed after the frozen end, is left alone; so a page may have its turn twice.
    async fn change(&self, operation: &Operation, meant: &Meant, record: &Record) -> Result<u64, StoreError> {
        let (client, id) = (self.client(), &record.id);
        if !meant.includes(record, client.env().now()) {
            return Ok(0);
        }
        let jobs = match (&operation.action, is_plain(record)) {
            (Action::Cancel, false) => client.batch(id).await?.map_or(1, |batch| batch.open().max(1)),
            _ => 1,
        };
        let is_changed = match operation.action {
            Action::Retry => client.retry(id).await? == Some(JobState::Queued),
            Action::Cancel => {
                let cancel = client.cancel(id).by(&operation.by);
                let cancel = match &operation.reason {
                    Some(reason) => cancel.reason(reason),
                    None => cancel,
                };
                cancel.await? == Some(JobState::Cancelled)
            }
            Action::Delete => client.delete(id).await?.is_some_and(JobState::is_final),
            Action::RunNow => {
                let now = client.env().now();
                let is_due = record.state == JobState::Queued && record.due_at <= now;
                !is_due && self.reschedule(operation, record, now).await?
            }
            // A moment that has passed means now.
            Action::Reschedule { at } => self.reschedule(operation, record, at.max(client.env().now())).await?,
            _ => false,
        };
        if is_changed && operation.action != Action::Delete {
            self.write_line(operation, id, operation.log_line()).await;
        }
        Ok(if is_changed { jobs } else { 0 })
    }

    async fn reschedule(&self, operation: &Operation, record: &Record, at: Timestamp) -> Result<bool, StoreError> {
        let now = self.client().reschedule(&record.id, at).await?;
        Ok(now.is_some_and(|state| operation.action.touches(state)))
    }
}
