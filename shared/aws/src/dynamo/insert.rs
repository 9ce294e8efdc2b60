//! Creating the records of jobs before their messages are sent.

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use lamplighter::{
    JobState, Tracking,
    backend::{EnqueueRequest, JobOwner, StoreError},
};

use super::{
    Dynamo, MESSAGE_LIFE, expiry,
    item::{Item, number, text, time},
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
        let now = self.env().now();
        let EnqueueRequest { id, queue, message, .. } = submission;
        let created_at = keys::known_since(message, now);
        let due_at = submission.due_at.unwrap_or(created_at);
        let state = if submission.due_at.is_some() { JobState::Scheduled } else { JobState::Queued };
        let body = message.to_json();
        let nonce = self.env().random.next_u64();
        self.write_pieces(id.as_str(), nonce, &body, pieces::kept(due_at, super::PIECES_KEPT)).await?;
        let (name, value) = pieces::message(&body);
        let mut put = self
            .client()
            .await?
            .put_item()
            .table_name(self.table())
            .item("pk", text(keys::job_key(id.as_str())))
            .item("sk", text(RECORD))
            .item("st", text(state.as_str()))
            .item("n", number(0))
            .item("q", text(&**queue))
            .item("j", text(&message.job))
            .item("c", time(created_at))
            .item("d", time(due_at))
            .item(name, value)
            .item("w", number(nonce))
            .item("z", number(nonce))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(now.as_second()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(group) = &submission.group {
            put = put.item("g", text(&**group));
        }
        let lean = submission.tracking == Tracking::Lean;
        if lean {
            put = put.item("lean", AttributeValue::Bool(true)).item("ttl", expiry(due_at, MESSAGE_LIFE));
        }
        if !lean || state == JobState::Scheduled {
            let listing_key = ListingKey::new(created_at, id, queue, &message.job);
            put =
                put.item("lpk", text(listing_key.partition(Class::of(state)))).item("lsk", text(listing_key.as_str()));
        }
        let Err(error) = put.send().await else { return Ok(Inserted::New(nonce)) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                let item = Item(refused.item.clone().unwrap_or_default());
                // A repeated write, whose first answer was lost.
                let ours = item.number("w") == Some(nonce);
                let owner = item.owner_job();
                Ok(match ours {
                    true => Inserted::New(nonce),
                    false if owner.is(&message.job, queue) => Inserted::Duplicate(item.state()),
                    false => Inserted::Foreign(owner),
                })
            }
            _ => Err(explain(&error, &self.doing("write", id.as_str()))),
        }
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
