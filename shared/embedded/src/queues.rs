//! What people do to queues, and to their dead letters.

use lamplighter::backend::{StoreError, StoreErrorKind};
use rusqlite::Connection;

use crate::{
    backend::SqliteBackend,
    db::catalog::{self, find_queue},
    operations::{
        dead_letters::{self, DeadLetter},
        pause::{self, QueueStatus},
        redrive::{self, DeadLetterCount, DeadLetterFilter},
    },
    time,
};

/// Dead letters moved in one transaction.
const REDRIVE_STEP: usize = 500;

impl SqliteBackend {
    /// How all queues stand, by name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        let now = time::nearest(self.env().now());
        self.0.readers.read(move |connection| pause::all(connection, now)).await
    }

    /// The names of all queues that the file knows, in their order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn queue_names(&self) -> Result<Vec<String>, StoreError> {
        self.0.readers.read(catalog::queue_names).await
    }

    /// The names of all jobs that the file has ever met, in their order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn job_names(&self) -> Result<Vec<String>, StoreError> {
        self.0.readers.read(catalog::job_names).await
    }

    /// Pauses a queue, for engines to come too: they take no message from it, while what runs goes on to its end, and
    /// jobs can be enqueued as before. An engine in another process notices within a second.
    ///
    /// # Errors
    /// When there is no such queue, or the file cannot be written.
    pub async fn pause_queue(&self, queue: &str) -> Result<(), StoreError> {
        self.set_paused(queue, true).await
    }

    /// Lets a paused queue go on.
    ///
    /// # Errors
    /// When there is no such queue, or the file cannot be written.
    pub async fn resume_queue(&self, queue: &str) -> Result<(), StoreError> {
        self.set_paused(queue, false).await
    }

    /// Whether a queue is paused. One that is not there is not.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn is_paused(&self, queue: &str) -> Result<bool, StoreError> {
        let name = queue.to_owned();
        let look = move |connection: &Connection| match find_queue(connection, &name)? {
            Some(queue) => pause::is_paused(connection, queue.id),
            None => Ok(false),
        };
        self.0.readers.read(look).await
    }

    async fn set_paused(&self, queue: &str, paused: bool) -> Result<(), StoreError> {
        let name = queue.to_owned();
        let known = self.0.writer.run(1, move |tx| pause::pause(tx, &name, paused)).await?;
        if known { Ok(()) } else { Err(unknown(queue)) }
    }

    /// Dead letters of a queue, oldest first, at most `limit`, from behind the number `after` on (0 for all).
    ///
    /// # Errors
    /// When there is no such queue, or the file cannot be read.
    pub async fn dead_letters(&self, queue: &str, after: i64, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let id = self.queue_id(queue).await?;
        self.0.readers.read(move |connection| dead_letters::list(connection, id, after, limit)).await
    }

    /// How many dead letters each queue has, by the queue's name.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn dead_letter_counts(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.0.readers.read(dead_letters::counts).await
    }

    /// How many dead letters of a queue fit the filter, by job and reason.
    ///
    /// # Errors
    /// When there is no such queue, or the file cannot be read.
    pub async fn count_dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<DeadLetterCount>, StoreError> {
        let (id, filter) = (self.queue_id(queue).await?, filter.clone());
        self.0.readers.read(move |connection| redrive::counts(connection, id, &filter)).await
    }

    /// Moves all dead letters of a queue back, oldest first. Jobs keep their ids and their histories, and count their
    /// attempts anew. Says how many letters were moved; those that come meanwhile are not among them.
    ///
    /// # Errors
    /// When there is no such queue, or the file cannot be written; what was moved before stays moved.
    pub async fn redrive(&self, queue: &str) -> Result<usize, StoreError> {
        let id = self.queue_id(queue).await?;
        let end = self.0.readers.read(redrive::end).await?;
        let mut moved = 0;
        loop {
            let step = self.redrive_step(id, DeadLetterFilter::default(), end, REDRIVE_STEP).await?;
            moved += step;
            if step < REDRIVE_STEP {
                return Ok(moved);
            }
        }
    }

    /// As [`redrive`](Self::redrive), but only dead letters that fit the filter, at most `limit` and 500 at a time. Says
    /// how many were moved. Whoever calls this until nothing is left sets [`DeadLetterFilter::before`]: a job that
    /// fails again has a new letter.
    ///
    /// # Errors
    /// When there is no such queue, or the file cannot be written.
    pub async fn redrive_some(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let id = self.queue_id(queue).await?;
        self.redrive_step(id, filter.clone(), i64::MAX, limit.min(REDRIVE_STEP)).await
    }

    async fn redrive_step(
        &self,
        queue: i64,
        filter: DeadLetterFilter,
        end: i64,
        limit: usize,
    ) -> Result<usize, StoreError> {
        self.0.writer.run(limit * 4, move |tx| redrive::oldest(tx, queue, &filter, end, limit)).await
    }

    /// Moves one dead letter back. Says whether there was one of that number.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn redrive_one(&self, number: i64) -> Result<bool, StoreError> {
        self.0.writer.run(1, move |tx| redrive::one(tx, number)).await
    }

    async fn queue_id(&self, queue: &str) -> Result<i64, StoreError> {
        let name = queue.to_owned();
        let found = self.0.readers.read(move |connection| find_queue(connection, &name)).await?;
        found.map(|found| found.id).ok_or_else(|| unknown(queue))
    }
}

/// There is no such queue.
fn unknown(queue: &str) -> StoreError {
    let text =
        format!("there is no queue {queue:?} here; queues are known from their first job, or an engine's start, on");
    StoreError::new(StoreErrorKind::Invalid, text)
}
