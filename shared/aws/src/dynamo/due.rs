//! Jobs that are due later, until they are sent to their queues.
//!
//! The cheap route for delays by the hundred thousand: an entry beside each record, in the sparse index `due`, which is
//! swept once a minute. An entry is deleted after its message was sent: after a crash in between, the message is sent
//! again, and the claim makes one job of both.

use std::sync::Arc;

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        delete_item::{DeleteItemError, DeleteItemOutput},
        put_item::PutItemError,
    },
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use lamplighter::{
    JobId, Record, Timestamp, Tracking,
    backend::{EnqueueRequest, JobOwner, StoreError, StoreErrorKind},
    message::Message,
};

use super::{
    Dynamo,
    item::{Item, text, time},
    keys::{self, DUE, SHARDS},
    outbox::{self, EntryKey},
};
use crate::sdk::explain;

/// The largest message of a job without a record that can be stored until it is due, in bytes.
pub(crate) const MAX_BODY: usize = 350 * 1024;

/// The place of something that is due in the index.
#[derive(Debug, Clone)]
pub(crate) struct DueKey {
    pub(crate) id: String,
    pub(crate) sort: String,
    /// Its place in the partition.
    pub(crate) place: String,
}

impl DueKey {
    /// The key of an entry of the outbox, if it is one.
    pub(crate) fn outbox(&self) -> Option<EntryKey> {
        outbox::is_entry(&self.sort).then(|| EntryKey { id: self.id.clone(), sort: self.sort.clone() })
    }
}

/// A job that is due.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(crate) submission: EnqueueRequest,
}

/// Returns whether an entry belongs to the job of the record. Entries of earlier versions do not have an owner.
fn is_of(entry: &Item, record: &Record) -> bool {
    entry.queue() == record.queue && entry.text("j").is_none_or(|job| job == record.message.job)
}

pub(super) fn partition(shard: u8) -> String {
    format!("due#{shard}")
}

impl Dynamo {
    /// Stores a job until it is due. If the id belongs to another job, returns its owner and stores nothing.
    pub(crate) async fn put_due(
        &self,
        submission: &EnqueueRequest,
        due_at: Timestamp,
    ) -> Result<Option<JobOwner>, StoreError> {
        let id = submission.id.as_str();
        let mut put = self
            .client()
            .await?
            .put_item()
            .table_name(self.table())
            .item("pk", text(keys::job_key(id)))
            .item("sk", text(DUE))
            .item("dpk", text(partition(keys::shard(id))))
            .item("dsk", text(format!("{}#{id}", keys::ListingKey::start_of(due_at))))
            .item("q", text(&*submission.queue))
            .item("j", text(&submission.message.job))
            .item("d", time(due_at))
            .condition_expression("attribute_not_exists(pk) OR attribute_not_exists(#j) OR (#j = :j AND #q = :q)")
            .expression_attribute_names("#j", "j")
            .expression_attribute_names("#q", "q")
            .expression_attribute_values(":j", text(&submission.message.job))
            .expression_attribute_values(":q", text(&*submission.queue))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(group) = &submission.group {
            put = put.item("g", text(&**group));
        }
        if submission.tracking == Tracking::Lean {
            put = put.item("lean", AttributeValue::Bool(true));
        }
        if !submission.tracking.is_tracked() {
            // No record holds the message.
            put = put.item("m", text(submission.message.to_json()));
        }
        match put.send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(Some(Item(refused.item.clone().unwrap_or_default()).owner_job()))
                }
                _ => Err(explain(&error, &self.doing("write beside", id))),
            },
        }
    }

    /// Deletes the due entry of this job. An entry of another job with that id stays.
    pub(crate) async fn forget_due(&self, id: &str, owner: &JobOwner) -> Result<(), StoreError> {
        let delete = self.client().await?.delete_item().table_name(self.table());
        let delete = delete
            .key("pk", text(keys::job_key(id)))
            .key("sk", text(DUE))
            .condition_expression("attribute_not_exists(#j) OR (#j = :j AND #q = :q)")
            .expression_attribute_names("#j", "j")
            .expression_attribute_names("#q", "q")
            .expression_attribute_values(":j", text(&owner.job))
            .expression_attribute_values(":q", text(&owner.queue));
        self.deleted(id, delete.send().await)
    }

    /// Deletes the due entry at that place. If the job is due again meanwhile, its entry stays.
    pub(crate) async fn delete_due(&self, id: &str, listing_key: &str) -> Result<(), StoreError> {
        let delete = self.client().await?.delete_item().table_name(self.table());
        let delete = delete
            .key("pk", text(keys::job_key(id)))
            .key("sk", text(DUE))
            .condition_expression("attribute_not_exists(pk) OR dsk = :place")
            .expression_attribute_values(":place", text(listing_key));
        self.deleted(id, delete.send().await)
    }

    fn deleted(
        &self,
        id: &str,
        deleted: Result<DeleteItemOutput, SdkError<DeleteItemError>>,
    ) -> Result<(), StoreError> {
        match deleted {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(explain(&error, &self.doing("delete beside", id))),
        }
    }

    /// Returns what is due by that moment in one shard, the earliest first: delayed jobs, and entries of the outbox. `place` is the
    /// end of the last read, empty at first, and is moved to the end of this one.
    pub(crate) async fn due(
        &self,
        shard: u8,
        listing_key: &mut String,
        until: Timestamp,
        most: i32,
    ) -> Result<Vec<DueKey>, StoreError> {
        // One character after the last place: `BETWEEN` includes both bounds.
        let (low, high) = (format!("{listing_key}!"), format!("{}$", keys::ListingKey::start_of(until)));
        if low > high {
            return Ok(Vec::new());
        }
        let query = self.client().await?.query().table_name(self.table()).index_name(Self::DUE).limit(most);
        let query = query
            .key_condition_expression("dpk = :partition AND dsk BETWEEN :low AND :high")
            .expression_attribute_values(":partition", text(partition(shard)))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(high));
        let page = query.send().await;
        let page = page.map_err(|error| explain(&error, &format!("look for due jobs in table {}", self.table())))?;
        let items: Vec<_> = page.items.unwrap_or_default().into_iter().map(Item).collect();
        if let Some(last) = items.last().and_then(|item| item.text("dsk")) {
            last.clone_into(listing_key);
        }
        let text = |item: &Item, name: &str| item.text(name).unwrap_or_default().to_owned();
        let keys = items.iter().map(|item| DueKey {
            id: item.id().to_owned(),
            sort: text(item, "sk"),
            place: text(item, "dsk"),
        });
        Ok(keys.collect())
    }

    /// Returns the entry of a due job, with its message. `None`: it was moved or cancelled meanwhile, or its message no
    /// longer exists.
    pub(crate) async fn due_entry(&self, id: &str) -> Result<Option<Due>, StoreError> {
        let entry = self.read_at(&keys::job_key(id), DUE, || self.doing("read beside", id)).await?;
        let Some(entry) = entry else { return Ok(None) };
        let job_id = JobId::new(id).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        let (message, tracking) = match entry.text("m") {
            Some(body) => {
                let message: Message = body.parse().map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
                (Arc::new(message), Tracking::Untracked)
            }
            None => match self
                .read_record(&job_id)
                .await?
                .filter(|record| !record.state.is_final() && is_of(&entry, record))
            {
                Some(record) => (record.message, if entry.is_lean() { Tracking::Lean } else { Tracking::Full }),
                None => return Ok(None),
            },
        };
        Ok(Some(Due {
            submission: {
                let mut request = EnqueueRequest::new(job_id, entry.queue(), message);
                request.due_at = entry.time("d");
                request.group = entry.text("g").map(Into::into);
                request.tracking = tracking;
                request.caller_supplied_id = true;
                request
            },
        }))
    }

    /// The shards in which jobs are due.
    pub(crate) fn due_shards() -> impl Iterator<Item = u8> {
        0..SHARDS
    }
}
