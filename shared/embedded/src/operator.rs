//! Operates the file's queues: the core's port.

use std::time::Duration;

use async_trait::async_trait;
use lamplighter::{
    Queue,
    backend::{
        Consumer, ConsumerKind, ConsumerState, DeadLetterCounts, DeadLetterFilter, DeadLetterPage, DeadLetterQuery,
        KnownNames, Operator, QueueFlow, QueueOrigin, QueueStatus, Redrive, RedriveMethod, RedriveProgress,
        RedriveResult, StoreError, StoreErrorKind,
    },
    host::Stop,
};
use rusqlite::Connection;

use crate::{
    backend::SqliteBackend,
    db::{
        catalog::{self, find_queue},
        transaction::Transaction,
    },
    operations::{dead_letters, flow, pause, redrive},
    time,
};

/// Operates the queues of a file.
pub(crate) struct SqliteOperator(pub(crate) SqliteBackend);

/// Dead letters per transaction.
const REDRIVE_STEP: u64 = 500;
/// Steps per second with a rate limit.
const STEPS_A_SECOND: u32 = 10;

impl SqliteOperator {
    /// Reads data of one queue, by its number.
    async fn read<T: Send + 'static>(
        &self,
        queue: &str,
        read: impl Fn(&Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let name = queue.to_owned();
        let look = move |connection: &Connection| match find_queue(connection, &name)? {
            Some(queue) => read(connection, queue.id).map(Some),
            None => Ok(None),
        };
        self.0.0.readers.read(look).await?.ok_or_else(|| unknown(queue))
    }

    async fn set_paused(&self, queue: &str, paused: bool) -> Result<(), StoreError> {
        let name = queue.to_owned();
        let known = self.0.0.writer.run(1, move |tx| pause::pause(tx, &name, paused)).await?;
        if known { Ok(()) } else { Err(unknown(queue)) }
    }
}

#[async_trait]
impl Operator for SqliteOperator {
    async fn known_names(&self) -> Result<KnownNames, StoreError> {
        let names = |connection: &Connection| Ok((catalog::queue_names(connection)?, catalog::job_names(connection)?));
        let (queues, jobs) = self.0.0.readers.read(names).await?;
        Ok(KnownNames::new(queues, QueueOrigin::RunTime).with_jobs(jobs))
    }

    async fn declare(&self, queue: Queue) -> Result<(), StoreError> {
        self.0.declare(&[queue]).await
    }

    /// Reads one index entry per message. Where nothing runs the file's jobs, no queue has a consumer.
    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        let now = time::nearest(self.0.env().now());
        let reading = self.0.0.readers.read(move |connection| pause::all(connection, now));
        let (queues, is_served) = tokio::join!(reading, self.0.is_served());
        let (mut queues, is_served) = (queues?, is_served?);
        for queue in queues.iter_mut().filter(|queue| !is_served && queue.consumer.state == ConsumerState::Active) {
            queue.consumer.state = ConsumerState::Missing;
        }
        Ok(queues)
    }

    async fn flow(&self) -> Result<Vec<QueueFlow>, StoreError> {
        let now = time::nearest(self.0.env().now());
        self.0.0.readers.read(move |connection| flow::flow(connection, now)).await
    }

    async fn consumer(&self, queue: &str) -> Result<Consumer, StoreError> {
        let paused = self.read(queue, pause::is_paused).await?;
        Ok(consumer(paused))
    }

    /// The pause is stored in the file, also for later engines.
    async fn pause(&self, queue: &str) -> Result<(), StoreError> {
        self.set_paused(queue, true).await
    }

    async fn resume(&self, queue: &str) -> Result<(), StoreError> {
        self.set_paused(queue, false).await
    }

    async fn dead_letters(&self, queue: &str, query: &DeadLetterQuery, _: &Stop) -> Result<DeadLetterPage, StoreError> {
        let DeadLetterQuery { filter, limit, cursor, .. } = query.clone();
        let after = match cursor {
            None => 0,
            Some(cursor) => cursor.parse().map_err(|_| {
                let text =
                    format!("{cursor:?} is no cursor of dead letters of queue {queue}; pass one that a page gave");
                StoreError::new(StoreErrorKind::Invalid, text)
            })?,
        };
        self.read(queue, move |connection, id| dead_letters::page(connection, id, &filter, after, limit)).await
    }

    async fn count_dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
        _: &Stop,
    ) -> Result<DeadLetterCounts, StoreError> {
        let filter = filter.clone();
        self.read(queue, move |connection, id| redrive::counts(connection, id, &filter)).await
    }

    async fn redrive(
        &self,
        queue: &str,
        redrive: &Redrive,
        stop: &Stop,
        progress: &(dyn Fn(RedriveProgress) + Send + Sync),
    ) -> Result<RedriveResult, StoreError> {
        let Redrive { filter, limit, per_second, discard, .. } = redrive;
        let (limit, counted, discard) = (limit.unwrap_or(u64::MAX), filter.clone(), *discard);
        let begin = move |connection: &Connection, id| {
            // In this order: dead letters that arrive in between are neither counted nor moved.
            Ok((id, redrive::end(connection)?, redrive::counts(connection, id, &counted)?.total()))
        };
        let (id, end, total) = self.read(queue, begin).await?;
        let mut far = RedriveProgress::default();
        far.total = total.min(limit);
        let mut result = RedriveResult::new(RedriveMethod::Transactions, far);
        let usual = match per_second {
            Some(rate) => u64::from(rate.get().div_ceil(STEPS_A_SECOND)).min(REDRIVE_STEP),
            None => REDRIVE_STEP,
        };
        loop {
            let step = usual.min(limit - result.progress.moved - result.progress.obsolete);
            if step == 0 {
                return Ok(result);
            }
            if stop.is_draining() {
                result.stopped = true;
                return Ok(result);
            }
            let (filter, most) = (filter.clone(), usize::try_from(step).unwrap_or(usize::MAX));
            let moving = move |tx: &mut Transaction<'_>| redrive::oldest(tx, id, &filter, (end, discard), most);
            match self.0.0.writer.run(most * 4, moving).await {
                Ok(moved) => {
                    result.progress.moved += moved.moved;
                    result.progress.obsolete += moved.obsolete;
                    progress(result.progress);
                    if moved.moved + moved.obsolete < step {
                        return Ok(result);
                    }
                }
                Err(error) => {
                    result.error = Some(error);
                    return Ok(result);
                }
            }
            if let Some(rate) = per_second {
                let pause = Duration::from_secs(step) / rate.get();
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.draining() => {}
                }
            }
        }
    }
}

/// Returns an engine as a consumer.
pub(crate) const fn consumer(paused: bool) -> Consumer {
    let state = if paused { ConsumerState::Paused } else { ConsumerState::Active };
    Consumer { kind: ConsumerKind::Engine, state }
}

/// Returns the error for an unknown queue.
fn unknown(queue: &str) -> StoreError {
    let text = format!(
        "there is no queue {queue:?} here; a queue is known from its first job on, or from the start of an engine on"
    );
    StoreError::new(StoreErrorKind::Invalid, text)
}
