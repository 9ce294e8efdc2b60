//! Enqueueing in a DynamoDB transaction of your own.
//!
//! A job that belongs to a change of your data is written into the deployment's table in the same `TransactWriteItems`: either
//! both are there, or neither. Once it is committed, [`Outbox::send`] enqueues it at once, and the maintenance function does
//! within a minute or two where that did not happen.
//!
//! ```no_run
//! # use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
//! # use lamplighter::{Job, Queue, outbox::OutboxEntry};
//! # use lamplighter_aws::AwsBackend;
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct Mail { order: u64 }
//! # impl Job for Mail { const NAME: &'static str = "order.mail"; const QUEUE: Queue = Queue::standard("mails"); }
//! # async fn order(dynamo: aws_sdk_dynamodb::Client, order: Put) -> Result<(), Box<dyn std::error::Error>> {
//! let outbox = AwsBackend::from_env()?.outbox()?;
//! let mail = OutboxEntry::new(Mail { order: 42 })?;
//! dynamo
//!     .transact_write_items()
//!     .transact_items(TransactWriteItem::builder().put(order).build())
//!     .transact_items(outbox.put(&mail)?)
//!     .send()
//!     .await?;
//! outbox.send(&mail).await?; // or leave it to maintenance
//! # Ok(())
//! # }
//! ```
//!
//! The transaction needs `dynamodb:PutItem` on the table; `send` needs what enqueueing does, and `dynamodb:DeleteItem` to take the
//! entry away itself.
//!
//! # Without this library
//!
//! The item, for writers in other languages, has only texts: `pk` is `JOB#` and the job's id, `sk` is `OUT#` and anything
//! unique, `dpk` is `due#0`, `due#1`, `due#2` or `due#3`, `dsk` is the moment as 19 digits of nanoseconds since 1970 with `#` and the
//! id behind it, and `ob` is the [entry](OutboxEntry) as JSON.
//!
//! # What holds
//!
//! - **A committed entry becomes a job, one that was not committed none.** A crash anywhere changes nothing about that.
//! - **Once**: an entry that is enqueued twice, by a crash or by two processes, is one job, as long as the job's record is kept; an
//!   untracked job has none, and may run twice.
//! - **In order** within a message group, as maintenance sends it. Entries of several groups, or without one, may overtake each
//!   other, and one that you send yourself overtakes those that wait for maintenance.
//! - **An entry that cannot be enqueued blocks no other.** It stays, with its error: see [`Outbox::failed`].

use std::fmt;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use lamplighter::{
    Client, EnqueueError, Enqueued, JobId, Timestamp,
    backend::{StoreError, StoreErrorKind},
    outbox::OutboxEntry,
};

use crate::{
    AwsBackend,
    dynamo::{Dynamo, EntryKey, FoundEntry, MAX_DUE_BODY, no_outbox_table},
};

/// Failed entries of a page.
const PAGE: i32 = 100;

/// The outbox of a deployment: its table. Cloning is cheap.
#[derive(Clone)]
pub struct Outbox {
    table: Dynamo,
    client: Client,
}

/// An entry that cannot be enqueued.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FailedEntry {
    /// The job's id.
    pub id: String,
    /// The job's name, if the entry can be read.
    pub job: Option<String>,
    /// Why it cannot be enqueued.
    pub error: String,
    /// When that was found.
    pub failed_at: Option<Timestamp>,
    key: EntryKey,
}

/// Some failed entries.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FailedEntries {
    /// The entries, the oldest first.
    pub entries: Vec<FailedEntry>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

impl AwsBackend {
    /// The outbox of this deployment.
    ///
    /// # Errors
    /// When it has no table.
    pub fn outbox(&self) -> Result<Outbox, StoreError> {
        let table = self.delayed_sender().table.clone().ok_or_else(no_outbox_table)?;
        Ok(Outbox { table, client: self.client() })
    }
}

impl Outbox {
    /// The largest entry, in bytes.
    pub const MAX_ENTRY_BYTES: usize = MAX_DUE_BODY;

    /// The write that puts a job into the outbox, for a transaction of your own: one item, which costs two write units for each
    /// kilobyte, and one for its place in an index.
    ///
    /// # Errors
    /// When the entry is too large, or has no id.
    pub fn put(&self, entry: &OutboxEntry) -> Result<TransactWriteItem, EnqueueError> {
        let (id, body) = (id_of(entry)?, entry.to_json());
        if body.len() > Self::MAX_ENTRY_BYTES {
            let (job, bytes, limit) = (entry.job_name().to_owned(), body.len(), Self::MAX_ENTRY_BYTES);
            return Err(EnqueueError::TooLarge { job, bytes, limit });
        }
        let item = self.table.outbox_item(id, entry, body);
        let put = Put::builder().table_name(self.table.table()).set_item(Some(item)).build();
        let put = put.map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Enqueues an entry whose transaction is committed, and takes it out of the outbox. Before the commit, this would enqueue
    /// a job for a change that may never come.
    ///
    /// # Errors
    /// When the job cannot be enqueued now. The entry remains, and maintenance tries again.
    pub async fn send(&self, entry: &OutboxEntry) -> Result<Enqueued, EnqueueError> {
        let key = EntryKey::of(id_of(entry)?, entry);
        let silent = || Err(StoreError::unavailable("AWS did not report whether the job was enqueued").into());
        let answer = self.client.enqueue_entries([entry.clone()]).await.pop().unwrap_or_else(silent)?;
        if let Err(error) = self.table.delete_outbox_entry(&key).await {
            tracing::warn!(id = key.id, %error, "the job is enqueued, and its entry could not be deleted; maintenance does it");
        }
        Ok(answer)
    }

    /// A page of the entries that cannot be enqueued, the oldest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn failed(&self, cursor: Option<String>) -> Result<FailedEntries, StoreError> {
        let (found, next) = self.table.failed_outbox_entries(cursor, PAGE).await?;
        let entries = found.into_iter().map(|FoundEntry { key, entry, error, failed_at }| FailedEntry {
            id: key.id.clone(),
            job: entry.ok().map(|entry| entry.job_name().to_owned()),
            error: error.unwrap_or_default(),
            failed_at,
            key,
        });
        Ok(FailedEntries { entries: entries.collect(), next })
    }

    /// Lets maintenance try a failed entry again. Returns whether it was there.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn retry(&self, entry: &FailedEntry) -> Result<bool, StoreError> {
        self.table.retry_outbox_entry(&entry.key).await
    }

    /// Deletes a failed entry.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn forget(&self, entry: &FailedEntry) -> Result<(), StoreError> {
        self.table.delete_outbox_entry(&entry.key).await
    }
}

fn id_of(entry: &OutboxEntry) -> Result<&JobId, EnqueueError> {
    let refused = || EnqueueError::Refused { job: entry.job_name().to_owned(), reason: "its entry names no id".into() };
    entry.id().ok_or_else(refused)
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("table", &self.table).finish_non_exhaustive()
    }
}
