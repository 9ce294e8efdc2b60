//! Creating the records of jobs before their messages are sent.

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use lamplighter::{
    JobState, Retention, Tracking,
    backend::{EnqueueRequest, JobOwner, StoreError},
};

use super::{
    Dynamo, MESSAGE_LIFE, expiry,
    item::{self, Attributes, Item, number, text, time},
    keys::{self, Class, ListingKey, RECORD},
    pieces,
};
use crate::sdk::explain;

/// The result of creating a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It was created, with this nonce.
    New(u64),
    /// A job with that id exists, in this state.
    Duplicate(JobState),
    /// The id belongs to another job.
    Foreign(JobOwner),
}

impl Inserted {
    /// The answer where this record exists already.
    pub(super) fn existing(item: &Item, submission: &EnqueueRequest) -> Self {
        let owner = item.owner_job();
        let state = item.state();
        match (owner.is(&submission.message.job, &submission.queue), submission.nonce) {
            // The same request, which was interrupted before: its message may not have been sent.
            (true, Some(nonce))
                if item.number("w") == Some(nonce) && matches!(state, JobState::Queued | JobState::Scheduled) =>
            {
                Self::New(nonce)
            }
            (true, _) => Self::Duplicate(state),
            (false, _) => Self::Foreign(owner),
        }
    }
}

impl Dynamo {
    /// Returns whether a submission gets its record before it is sent.
    pub(crate) fn announces(submission: &EnqueueRequest) -> bool {
        match submission.tracking {
            Tracking::Untracked => false,
            // There is nothing to show yet, and no caller knows its id.
            Tracking::Lean => submission.caller_supplied_id || submission.due_at.is_some(),
            Tracking::Full => true,
        }
    }

    /// Creates a job's record, unless one with its id exists.
    pub(crate) async fn insert(&self, submission: &EnqueueRequest) -> Result<Inserted, StoreError> {
        let state = if submission.due_at.is_some() { JobState::Scheduled } else { JobState::Queued };
        self.insert_as(submission, state, None).await
    }

    /// Creates the record of a job that does not run, for this reason.
    pub(super) async fn insert_cancelled(
        &self,
        submission: &EnqueueRequest,
        reason: &str,
    ) -> Result<Inserted, StoreError> {
        self.insert_as(submission, JobState::Cancelled, Some(reason)).await
    }

    /// Makes the item of a job that does not run.
    pub(super) async fn cancelled_record(
        &self,
        submission: &EnqueueRequest,
        reason: &str,
        nonce: u64,
    ) -> Result<Attributes, StoreError> {
        let now = self.env().now();
        let mut record = self.prepare(submission, JobState::Cancelled, nonce).await?;
        record.insert("f".into(), time(now));
        record.insert("y".into(), text(reason));
        record.insert("ttl".into(), expiry(now, Retention::default().cancelled));
        Ok(record)
    }

    /// Creates a job's record in that state; a cancelled one with the reason.
    async fn insert_as(
        &self,
        submission: &EnqueueRequest,
        state: JobState,
        reason: Option<&str>,
    ) -> Result<Inserted, StoreError> {
        let now = self.env().now();
        let nonce = submission.nonce.unwrap_or_else(|| self.env().random.next_u64());
        let record = match reason {
            Some(reason) => self.cancelled_record(submission, reason, nonce).await?,
            None => self.prepare(submission, state, nonce).await?,
        };
        let put = self
            .client()
            .await?
            .put_item()
            .table_name(self.table())
            .set_item(Some(record))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(now.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Inserted::New(nonce)) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let item = Item(refused.item.clone().unwrap_or_default());
                // A repeated write, whose first answer was lost.
                let ours = submission.nonce.is_none() && item.number("w") == Some(nonce);
                Ok(if ours { Inserted::New(nonce) } else { Inserted::existing(&item, submission) })
            }
            _ => Err(explain(&error, &self.doing("write", submission.id.as_str()))),
        }
    }

    /// Makes the item of a new record, and writes the pieces of a large message beside it.
    pub(super) async fn prepare(
        &self,
        submission: &EnqueueRequest,
        state: JobState,
        nonce: u64,
    ) -> Result<Attributes, StoreError> {
        let EnqueueRequest { id, queue, message, .. } = submission;
        let created_at = keys::known_since(message, self.env().now());
        let due_at = submission.due_at.unwrap_or(created_at);
        let body = message.to_json();
        self.write_pieces(id.as_str(), nonce, &body, pieces::kept(due_at, super::PIECES_KEPT)).await?;
        let (name, value) = pieces::message(&body);
        let mut record = Attributes::from([
            ("pk".into(), text(keys::job_key(id.as_str()))),
            ("sk".into(), text(RECORD)),
            ("st".into(), text(state.as_str())),
            ("n".into(), number(0)),
            ("q".into(), text(&**queue)),
            ("j".into(), text(&message.job)),
            ("c".into(), time(created_at)),
            ("d".into(), time(due_at)),
            (name.into(), value),
            ("w".into(), number(nonce)),
            ("z".into(), number(nonce)),
        ]);
        if let Some(group) = &submission.group {
            record.insert("g".into(), text(&**group));
        }
        if let Some(batch) = &message.batch {
            record.insert(item::BATCH.into(), text(item::membership(batch)));
        }
        let lean = submission.tracking == Tracking::Lean;
        if lean {
            record.insert("lean".into(), AttributeValue::Bool(true));
            // A job that waits has no message that could end.
            if state != JobState::Waiting {
                record.insert("ttl".into(), expiry(due_at, MESSAGE_LIFE));
            }
        }
        if !lean || state != JobState::Queued {
            let listing_key = ListingKey::new(created_at, id, queue, &message.job);
            record.insert("lpk".into(), text(listing_key.partition(Class::of(state))));
            record.insert("lsk".into(), text(listing_key.as_str()));
        }
        Ok(record)
    }

    /// Deletes the record of a job whose message could not be sent. A record that has changed since stays: the message
    /// was sent after all.
    pub(crate) async fn take_back(&self, id: &str, nonce: u64) -> Result<(), StoreError> {
        let delete = self.client().await?.delete_item().table_name(self.table());
        let delete = delete.key("pk", text(keys::job_key(id))).key("sk", text(RECORD));
        let delete = delete.condition_expression("z = :nonce").expression_attribute_values(":nonce", number(nonce));
        match delete.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => Ok(()),
            Err(error) => Err(explain(&error, &self.doing("delete", id))),
        }
    }
}
