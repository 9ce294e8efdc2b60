//! The core's ports, implemented on the file.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{
    Batch, Cancellation, EnqueueError, Enqueued, JobId, JobState, ListQuery, Record, Timestamp,
    backend::{
        BatchJobs, Batches, Claim, ClaimRequest, Completion, CompletionResult, EnqueueRequest, ErrorGroups, JobData,
        LeaseStatus, NewBatch, Queues, RenewRequest, Rollups, Store, StoreError, StoreErrorKind, Token,
    },
    env::Env,
    meter::{Rollup, RollupQuery},
    operation::{Created, Operation, OperationPage, OperationQuery, Operations},
    record::{Count, ErrorGroup, ErrorNote, ErrorPage, ErrorQuery, Fingerprint, LogLine, Page},
};
use rusqlite::Connection;
use tokio::time::Instant;

use crate::{
    db::{readers::Readers, signals::Signals, writer::Writer},
    late::Late,
    measured::Measuring,
    operations::{
        batches::{self, Prepared},
        cancel::cancel,
        claim::claim,
        delete::{Deleted, delete},
        enqueue::{Entry, enqueue},
        error_notes, errors, job_data, list, logs, records,
        renew::renew,
        reschedule::{Rescheduled, reschedule},
        retry::{mark_queued, retry},
        rollups,
        settle::settle,
        tracked,
    },
    time,
};

/// The core's ports, implemented on the file.
pub(crate) struct SqliteStore {
    pub(crate) writer: Writer,
    pub(crate) readers: Readers,
    pub(crate) env: Env,
    pub(crate) late: Late,
    pub(crate) measuring: Measuring,
    signals: Arc<Signals>,
}

/// See [`Queues::portion`].
const PORTION: usize = 1000;

/// The longest wait of [`Store::changed`]: changes by other processes do not wake it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl SqliteStore {
    pub(crate) fn new(writer: Writer, readers: Readers, env: Env, signals: Arc<Signals>) -> Self {
        Self { writer, readers, env, late: Late::default(), measuring: Measuring::default(), signals }
    }

    /// Writes what was measured into the roll-ups.
    pub(crate) async fn write_measured(&self) -> Result<(), StoreError> {
        let measured = Arc::new(self.measuring.take());
        if measured.is_empty() {
            return Ok(());
        }
        let writing = measured.clone();
        let written = self.writer.run(measured.len(), move |tx| {
            writing.iter().try_for_each(|((start, queue, job), sums)| tx.measured(*start, queue, job, sums))
        });
        let written = written.await;
        if written.is_err() {
            self.measuring.put_back(&measured);
        }
        written
    }

    /// Writes settlements that could not be written when their attempts ended.
    pub(crate) async fn write_late(&self) -> Result<(), StoreError> {
        let open = self.late.take();
        if open.is_empty() {
            return Ok(());
        }
        let requests = open.clone();
        match self.writer.run(open.len(), move |tx| settle(tx, &requests)).await {
            Ok(answers) => {
                let written =
                    answers.iter().filter(|answer| matches!(answer, CompletionResult::Applied { .. })).count();
                tracing::info!(settlements = written, "wrote the settlements that could not be written before");
                Ok(())
            }
            Err(error) => {
                if error.kind() == StoreErrorKind::Unavailable {
                    self.late.keep(&open);
                }
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Queues for SqliteStore {
    fn portion(&self) -> usize {
        PORTION
    }

    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let mut entries = Vec::with_capacity(submissions.len());
        let refused: Vec<_> = submissions
            .into_iter()
            .map(|submission| Entry::of(submission).map(|entry| entries.push(entry)).err())
            .collect();
        let entries = Arc::new(entries);
        let writing = entries.clone();
        let written = self.writer.run(entries.len(), move |tx| enqueue(tx, &writing)).await;
        // The ids are taken from the entries here rather than copied by the writer, whose time is scarcer.
        let mut answers = match written {
            Ok(answers) => {
                Arc::unwrap_or_clone(entries).into_iter().zip(answers).map(|(entry, answer)| entry.told(answer))
            }
            Err(error) => {
                return refused
                    .into_iter()
                    .map(|refused| Err(refused.unwrap_or_else(|| error.clone().into())))
                    .collect();
            }
        };
        let none = || Err(StoreError::unavailable("the embedded file did not answer").into());
        refused.into_iter().map(|refused| refused.map_or_else(|| answers.next().unwrap_or_else(none), Err)).collect()
    }
}

#[async_trait]
impl Batches for SqliteStore {
    async fn create(&self, batch: NewBatch) -> Result<Enqueued, EnqueueError> {
        let (jobs, callbacks) = (entries(batch.jobs)?, entries(batch.callbacks)?);
        let (rows, prepared) = (jobs.len(), Prepared { id: batch.id, jobs, callbacks, outer: batch.outer });
        self.writer.run(rows, move |tx| batches::create(tx, &prepared)).await?
    }

    async fn add(&self, id: &JobId, jobs: Vec<EnqueueRequest>) -> Result<(), EnqueueError> {
        let (id, jobs) = (id.clone(), entries(jobs)?);
        self.writer.run(jobs.len(), move |tx| batches::add(tx, &id, &jobs)).await?
    }

    async fn get(&self, id: &JobId) -> Result<Option<Batch>, StoreError> {
        let id = id.clone();
        self.readers.read(move |connection| batches::get(connection, &id)).await
    }

    async fn jobs(&self, id: &JobId, cursor: Option<&str>, limit: usize) -> Result<BatchJobs, StoreError> {
        let (id, cursor) = (id.clone(), cursor.map(str::to_owned));
        let page =
            self.readers.read(move |connection| batches::jobs(connection, &id, cursor.as_deref(), limit)).await?;
        page.ok_or_else(foreign_cursor)
    }
}

#[async_trait]
impl ErrorGroups for SqliteStore {
    async fn list(&self, query: &ErrorQuery) -> Result<ErrorPage, StoreError> {
        let asked = query.clone();
        let page = self.readers.read(move |connection| errors::list(connection, &asked)).await?;
        page.ok_or_else(foreign_cursor)
    }

    async fn get(&self, fingerprint: Fingerprint) -> Result<Option<ErrorGroup>, StoreError> {
        self.readers.read(move |connection| errors::get(connection, fingerprint)).await
    }

    async fn annotate(&self, fingerprint: Fingerprint, note: &ErrorNote) -> Result<bool, StoreError> {
        let note = note.clone();
        self.writer.run(1, move |tx| error_notes::annotate(tx, fingerprint, &note)).await
    }
}

fn entries(requests: Vec<EnqueueRequest>) -> Result<Vec<Entry>, EnqueueError> {
    requests.into_iter().map(Entry::of).collect()
}

fn foreign_cursor() -> StoreError {
    StoreError::new(
        StoreErrorKind::Invalid,
        "this cursor is not from a page of this store; list again without a cursor",
    )
}

/// Pairs each of `count` requests with its answer, or all with the same error.
fn for_each<T>(count: usize, answer: Result<Vec<T>, StoreError>) -> Vec<Result<T, StoreError>> {
    match answer {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
    }
}

#[async_trait]
impl Store for SqliteStore {
    // One transaction, which succeeds or fails for all requests together: there are no partial answers before `by`.
    async fn claim(&self, requests: Vec<ClaimRequest>, _by: Instant) -> Vec<Result<Claim, StoreError>> {
        let count = requests.len();
        for_each(count, self.writer.run(count, move |tx| claim(tx, &requests)).await)
    }

    async fn settle(&self, requests: Vec<Completion>, _by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        let (count, requests) = (requests.len(), Arc::new(requests));
        // Keeps the settlements on an error, and also when the caller has dropped the future: the handlers have run.
        let mut guard = self.late.guard(requests.clone());
        let answer = self.writer.run(count, move |tx| settle(tx, &requests)).await;
        guard.is_answered(&answer);
        for_each(count, answer)
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        let id = id.clone();
        self.writer.run(1, move |tx| job_data::save_job_data(tx, id.as_str(), token, &data)).await
    }

    async fn renew(&self, requests: Vec<RenewRequest>, _by: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        let count = requests.len();
        for_each(count, self.writer.run(count, move |tx| renew(tx, &requests)).await)
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        let id = id.clone();
        self.readers.read(move |connection| records::by_id(connection, id.as_str())).await
    }

    async fn get_each(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        let ids = ids.to_vec();
        let read = move |connection: &Connection| {
            ids.iter().map(|id| records::by_id(connection, id.as_str())).collect::<rusqlite::Result<Vec<_>>>()
        };
        self.readers.read(read).await
    }

    async fn log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError> {
        let id = id.clone();
        self.readers.read(move |connection| logs::of_job(connection, id.as_str())).await
    }

    async fn log_operation(&self, id: &JobId, operation: &JobId, line: LogLine) -> Result<(), StoreError> {
        let (id, operation) = (id.clone(), operation.clone());
        self.writer.run(1, move |tx| logs::of_operation(tx, id.as_str(), operation.as_str(), &line)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let asked = query.clone();
        let page = self.readers.read(move |connection| list::list(connection, &asked)).await?;
        page.ok_or_else(foreign_cursor)
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let as_of = self.env.now();
        self.readers.read(move |connection| list::counts(connection, as_of)).await
    }

    async fn cancel(&self, id: &JobId, cancellation: &Cancellation) -> Result<Option<JobState>, StoreError> {
        let (id, reason) = (id.clone(), cancellation.text());
        self.writer.run(1, move |tx| cancel(tx, id.as_str(), reason.as_deref())).await
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        self.writer.run(1, move |tx| retry(tx, id.as_str())).await
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        self.writer.run(1, move |tx| mark_queued(tx, id.as_str())).await
    }

    async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let sought = id.clone();
        match self.writer.run(1, move |tx| delete(tx, sought.as_str())).await? {
            Deleted::Unknown => Ok(None),
            Deleted::Was(state) => Ok(Some(state)),
            Deleted::Batch => Err(Batch::cannot_be_deleted(id)),
        }
    }

    async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError> {
        let (sought, moment) = (id.clone(), time::exactly(at));
        let moment = moment.ok_or_else(|| {
            let last = time::moment(time::LAST);
            let text = format_args!("job {id} cannot run at {at}: the last moment that can be stored is {last}");
            StoreError::new(StoreErrorKind::Invalid, text)
        })?;
        match self.writer.run(1, move |tx| reschedule(tx, sought.as_str(), moment)).await? {
            Rescheduled::Unknown => Ok(None),
            Rescheduled::Is(state) => Ok(Some(state)),
            Rescheduled::Ordered => Err(StoreError::new(
                StoreErrorKind::Invalid,
                format_args!(
                    "job {id} is on a FIFO queue, where its group would have to wait for it: it stays as it is; cancel it, \
                     and enqueue it again when it is to run"
                ),
            )),
        }
    }

    // Not an `async fn`: the watch begins with the call, so a change between it and the first poll is seen.
    fn changed<'a, 'b, 'c>(&'a self, id: &'b JobId) -> Pin<Box<dyn Future<Output = ()> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        let mut changes = self.signals.of_job(id.as_str());
        Box::pin(async move {
            // The caller checks again, whichever comes first.
            let _ = tokio::time::timeout(LOOK_AGAIN, changes.changed()).await;
        })
    }
}

#[async_trait]
impl Rollups for SqliteStore {
    async fn read(&self, query: &RollupQuery) -> Result<Vec<Rollup>, StoreError> {
        let step = i64::try_from(query.minutes()?).unwrap_or(i64::MAX);
        let (query, minute) = (query.clone(), rollups::minute);
        let from = minute(time::nearest(query.since));
        let to = minute(time::nearest(query.until).saturating_sub(1)).saturating_add(1);
        let of = move |connection: &Connection| {
            rollups::read(connection, (query.job.as_deref(), query.queue.as_deref()), (from, to), step)
        };
        self.readers.read(of).await
    }
}

#[async_trait]
impl Operations for SqliteStore {
    async fn create(&self, operation: &Operation) -> Result<Created, StoreError> {
        let new = operation.clone();
        self.writer.run(1, move |tx| tracked::create(tx, &new)).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Operation>, StoreError> {
        let id = id.clone();
        self.readers.read(move |connection| tracked::get(connection, id.as_str())).await
    }

    async fn list(&self, query: &OperationQuery) -> Result<OperationPage, StoreError> {
        let (asked, now) = (query.clone(), time::nearest(self.env.now()));
        let page = self.readers.read(move |connection| tracked::list(connection, &asked, now)).await?;
        page.ok_or_else(foreign_cursor)
    }

    async fn open(&self) -> Result<Vec<Operation>, StoreError> {
        self.readers.read(tracked::open).await
    }

    async fn save(&self, operation: &Operation) -> Result<bool, StoreError> {
        let changed = operation.clone();
        self.writer.run(1, move |tx| tracked::save(tx, &changed)).await
    }
}
