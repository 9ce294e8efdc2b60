//! Unique keys of jobs.
//!
//! The item `UNIQ#queue#job#key` names the job that has a key, or had it last, and is written in one transaction with that
//! job's record. Whether the job still has it follows from its record, so that nothing is to be written when a job starts
//! or ends.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use lamplighter::{
    JobId, JobState, Timestamp, Unique,
    backend::{EnqueueRequest, StoreError, StoreErrorKind, UniqueHold},
};

use super::{
    Dynamo, expiry,
    item::{Item, number, text, time},
    keys::RECORD,
};

/// How long an item is kept after its job is due: longer than a message lives and a failure is kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Who has a key.
pub(super) enum Holder {
    /// Nobody. The nonce of the item that is there, if any.
    Free(Option<u64>),
    /// This job, in this state.
    Taken(JobId, Option<JobState>),
}

fn key(submission: &EnqueueRequest, unique: &Unique) -> String {
    format!("UNIQ#{}#{}#{}", submission.queue, submission.message.job, unique.key)
}

impl Dynamo {
    /// Returns who has the key of a job to be enqueued.
    pub(super) async fn holder(&self, submission: &EnqueueRequest, unique: &Unique) -> Result<Holder, StoreError> {
        let doing = || self.doing("read the unique key of", submission.id.as_str());
        let item = self.read_at(&key(submission, unique), RECORD, doing).await?;
        let Some(item) = item else { return Ok(Holder::Free(None)) };
        let nonce = item.number("z");
        let Some(id) = item.text("job").and_then(|id| JobId::new(id).ok()) else { return Ok(Holder::Free(nonce)) };
        let record = self.read_item(id.as_str()).await?;
        let state = record.as_ref().map(Item::state);
        let has_it = match item.text("hold") {
            Some("time") => item.time("until").is_some_and(|until| until > self.env().now()),
            Some("started") => {
                record.as_ref().is_some_and(|record| !record.state().is_final() && record.has_not_begun())
            }
            _ => state.is_some_and(|state| !state.is_final()),
        };
        Ok(if has_it { Holder::Taken(id, state) } else { Holder::Free(nonce) })
    }

    /// The write that gives the key to a new job, if nobody has taken it since `seen`.
    pub(super) fn take_key(
        &self,
        submission: &EnqueueRequest,
        unique: &Unique,
        (seen, nonce): (Option<u64>, u64),
    ) -> Result<TransactWriteItem, StoreError> {
        let now = self.env().now();
        let (hold, until) = match unique.hold {
            UniqueHold::UntilStarted => ("started", None),
            UniqueHold::For(duration) => ("time", Some(now.saturating_add(duration).unwrap_or(Timestamp::MAX))),
            _ => ("ended", None),
        };
        let due_at = submission.due_at.unwrap_or(now).max(until.unwrap_or(now));
        let mut put = Put::builder()
            .table_name(self.table())
            .item("pk", text(key(submission, unique)))
            .item("sk", text(RECORD))
            .item("job", text(submission.id.as_str()))
            .item("hold", text(hold))
            .item("z", number(nonce))
            .item("ttl", expiry(due_at, KEPT));
        if let Some(until) = until {
            put = put.item("until", time(until));
        }
        put = match seen {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(seen) => put.condition_expression("z = :seen").expression_attribute_values(":seen", number(seen)),
        };
        let put = put.build().map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
