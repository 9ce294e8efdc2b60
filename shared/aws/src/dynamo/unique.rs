//! Unique keys of jobs.
//!
//! The item `UNIQ#queue#job#key` names the job that has a key, or had it last, and is written in one transaction with that
//! job's record. Whether the job still has it follows from its record, so that nothing is to be written when a job starts
//! or ends.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use lamplighter::{
    JobId, JobState, Timestamp, Tracking, Unique,
    backend::{EnqueueRequest, StoreError, StoreErrorKind, UniqueHold},
};

use super::{
    Dynamo, MESSAGE_LIFE, PIECES_KEPT,
    claim::held_to,
    expiry,
    expression::Update,
    item::{Item, number, text, time},
    keys::{self, Class, RECORD},
    listed, pieces,
    transaction::Transacted,
};

/// How long an item is kept after its job is due: longer than a message lives and a failure is kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);

/// Who has a key.
pub(super) enum Holder {
    /// Nobody. The nonce of the item that is there, if any.
    Free(Option<u64>),
    /// This job, with its record unless that has expired, and the nonce of the item that says so.
    Taken(JobId, Option<Box<Item>>, Option<u64>),
}

/// A job that was given the arguments and the time of another.
pub(crate) struct Replaced {
    /// What is to be sent, unless it waits for other jobs.
    pub(crate) send: Option<EnqueueRequest>,
    /// When it was due before.
    pub(crate) was_due: Timestamp,
}

/// The expiry of a job that was given the arguments of another: its first message has that of the former ones.
pub(super) const NEW_EXPIRY: &str = "xe";
/// The mark of such a job: the message in its record is the one to run.
pub(super) const REPLACED: &str = "rp";

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
        Ok(if has_it { Holder::Taken(id, record.map(Box::new), nonce) } else { Holder::Free(nonce) })
    }

    /// Gives the arguments and the time of a job to the one that has its key. `None`: that one, or the key, has changed
    /// meanwhile.
    pub(super) async fn replace(
        &self,
        submission: &EnqueueRequest,
        unique: &Unique,
        (holder, item, seen): (&JobId, &Item, Option<u64>),
    ) -> Result<Option<Replaced>, StoreError> {
        let (now, nonce) = (self.env().now(), self.env().random.next_u64());
        let was = item.state();
        let due_at = submission.due_at.filter(|due_at| *due_at > now);
        let state = match (was, due_at) {
            (JobState::Waiting, _) => JobState::Waiting,
            (_, Some(_)) => JobState::Scheduled,
            (_, None) => JobState::Queued,
        };
        let old = self.read_record(holder).await?;
        let mut message = (*submission.message).clone();
        message.id = Some(holder.clone());
        message.after = old.map(|old| old.message.after.clone()).unwrap_or_default();
        let body = message.to_json();
        let due = due_at.unwrap_or(now);
        self.write_pieces(holder.as_str(), nonce, &body, pieces::kept(due, PIECES_KEPT)).await?;
        let (name, value) = pieces::message(&body);
        let other = if name == "m" { "mp" } else { "m" };
        let mut update = Update::new()
            .set("st", text(state.as_str()))
            .set(name, value)
            .remove(&[other])
            .set("d", time(due))
            .set("r", time(now))
            .set("w", number(nonce))
            .set("z", number(nonce))
            .set(REPLACED, AttributeValue::Bool(true))
            .when("#st = :was")
            .value("was", text(was.as_str()));
        update = match message.expires_at {
            Some(at) => update.set(NEW_EXPIRY, time(at)),
            None => update.remove(&[NEW_EXPIRY]),
        };
        if item.is_lean() && state != JobState::Waiting {
            update = update.set("ttl", expiry(due, MESSAGE_LIFE));
        }
        let is_listed = !item.is_lean() || state != JobState::Queued;
        let key = item.listing_key().filter(|_| is_listed);
        let update = listed(update, key.as_ref().map(|key| (key, Class::of(state))));
        let writes = vec![
            self.part_of_transaction(&keys::job_key(holder.as_str()), RECORD, held_to(update, item))?,
            self.take_key(submission, unique, holder, (seen, nonce))?,
        ];
        match self.transact(writes, || self.doing("write to", holder.as_str())).await? {
            Transacted::Refused(..) => return Ok(None),
            Transacted::Done => {}
        }
        let was_due = item.time("d").unwrap_or(now);
        if state == JobState::Waiting {
            return Ok(Some(Replaced { send: None, was_due }));
        }
        let mut send = EnqueueRequest::new(holder.clone(), item.queue(), Arc::new(message));
        (send.due_at, send.group) = (due_at, item.text("g").map(Into::into));
        send.tracking = if item.is_lean() { Tracking::Lean } else { Tracking::Full };
        send.caller_supplied_id = true;
        Ok(Some(Replaced { send: Some(send), was_due }))
    }

    /// The write that gives the key to this job, which is new, if nobody has taken it since `seen`; or leaves it to the one that
    /// has it.
    pub(super) fn take_key(
        &self,
        submission: &EnqueueRequest,
        unique: &Unique,
        id: &JobId,
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
            .item("job", text(id.as_str()))
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
