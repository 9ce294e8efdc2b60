//! Batches: jobs that are watched as one.
//!
//! A batch has a record like a job's, `JOB#id`, in the state `waiting` while any of its jobs is open. Its jobs are counted in
//! *parts*, `BATCH#id#part`, so that many may end in the same second: the end of a job and the count in its part are written
//! in one transaction. When all jobs of a part have ended, the part's counts are added to the record, and the part is taken
//! out of the record's set of open parts, in one write; when that set is empty, the batch ends. A part remembers the places of
//! the jobs that it has counted, since their records may expire before the batch has ended.
//!
//! Jobs are added in *lots*. The jobs of a lot stand in chunks, `BATCH#id` under the sort keys `C#lot#number`, which are
//! written first, with the parts. Then the item `L#lot` is written together with the batch's record, which makes them its
//! jobs: all or none. Only then are they sent, a chunk at a time; how far that is, is in the lot's item. What a crash leaves,
//! maintenance completes: it looks at every open batch.

mod counting;
mod lots;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use lamplighter::{
    Batch, EnqueueError, Enqueued, JobId, JobState,
    backend::{EnqueueRequest, Membership, NewBatch, StoreError, StoreErrorKind},
};

pub(crate) use self::{
    counting::{Counted, Tended},
    lots::Member,
};
use super::{
    Dynamo, expiry,
    expression::Update,
    item::{Attributes, Item, number, text, time},
    keys::{self, Class, ListingKey, RECORD},
    relations::{AFTER, EDGE_KEPT, FOLLOWED, edge},
    transaction::Transacted,
};

/// Jobs that wait for a batch from its beginning, at most: a transaction has up to 100 items (Amazon DynamoDB Developer Guide,
/// "Service quotas").
const CALLBACKS: usize = 20;

/// The open parts of a batch: a set.
const OPEN: &str = "op";
/// The lots that have not been sent completely: a set.
const UNSENT: &str = "un";
/// The number of jobs, and of those that have succeeded, failed or were cancelled in parts that are complete.
const TOTALS: [&str; 4] = ["tt", "ts", "tf", "tc"];
/// Why a batch is being cancelled.
const CANCELLING: &str = "cx";
/// The mark of a batch of which a job has failed.
const FAILED: &str = "ff";

fn set(elements: impl IntoIterator<Item = String>) -> AttributeValue {
    AttributeValue::Ss(elements.into_iter().collect())
}

fn invalid(error: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, error)
}

impl Item {
    /// Whether it is the record of a batch.
    pub(super) fn is_batch(&self) -> bool {
        Batch::is_of(&self.owner_job())
    }

    fn elements(&self, name: &str) -> &[String] {
        self.0.get(name).and_then(|set| set.as_ss().ok()).map(Vec::as_slice).unwrap_or_default()
    }

    fn total(&self, index: usize) -> u64 {
        self.number(TOTALS[index]).unwrap_or(0)
    }

    /// The batch, as far as its record shows it: without the jobs of open parts.
    fn batch(&self) -> Option<Batch> {
        let mut batch = Batch::new(JobId::new(self.id()).ok()?, self.time("c")?);
        batch.state = self.state();
        batch.finished_at = self.time("f").filter(|_| batch.state.is_final());
        batch.total = self.total(0);
        (batch.succeeded, batch.failed, batch.cancelled) = (self.total(1), self.total(2), self.total(3));
        Some(batch)
    }
}

impl Dynamo {
    /// Creates a batch, with all of its jobs. They are to be [sent](Self::unsent).
    pub(crate) async fn create_batch(&self, batch: NewBatch) -> Result<Enqueued, EnqueueError> {
        let NewBatch { id, mut jobs, callbacks, outer, .. } = batch;
        if callbacks.len() > CALLBACKS {
            let reason =
                format!("{} jobs are to wait for it from its beginning, and the limit is {CALLBACKS}", callbacks.len());
            return Err(EnqueueError::Batch { id, reason });
        }
        if let Some(item) = self.read_item(id.as_str()).await? {
            return exists(&id, &item);
        }
        let lot = self.write_lot(&id, &mut jobs).await?;
        let (now, nonce) = (self.env().now(), self.env().random.next_u64());
        let mut record = self.batch_record(&id, nonce).await?;
        record.insert(TOTALS[0].into(), number(jobs.len()));
        if let Some(lot) = &lot {
            record.insert(OPEN.into(), set(lot.parts.iter().map(u64::to_string)));
            record.insert(UNSENT.into(), set([lot.id.clone()]));
        }
        if !callbacks.is_empty() {
            record.insert(FOLLOWED.into(), AttributeValue::Bool(true));
        }
        let lot = lot.map(|lot| self.put_in_transaction(lot.item)).transpose()?;
        let mut outer_writes = Vec::new();
        if let Some(outer) = &outer {
            let (membership, writes) = self.join(outer, &id).await?;
            record.insert(super::item::BATCH.into(), text(super::item::membership(&membership)));
            outer_writes = writes;
        }
        let mut writes = vec![self.put_new_in_transaction(record)?];
        let outer_at = writes.len();
        writes.append(&mut outer_writes);
        writes.extend(lot);
        for callback in &callbacks {
            let nonce = self.env().random.next_u64();
            let mut record = self.prepare(callback, JobState::Waiting, nonce).await?;
            record.insert(AFTER.into(), set([id.to_string()]));
            let on = callback.message.after.first().map(|after| after.on).unwrap_or_default();
            let kept = expiry(callback.due_at.unwrap_or(now).max(now), EDGE_KEPT);
            writes.push(self.put_in_transaction(record)?);
            writes.push(self.put_in_transaction(edge(&id, &callback.id, on, kept))?);
        }
        match self.transact(writes, || self.doing("write", id.as_str())).await? {
            Transacted::Done => Ok(Enqueued::New(id)),
            Transacted::Refused(index, item) if index == outer_at && outer.is_some() => {
                let outer = outer.unwrap_or_else(|| id.clone());
                Err(EnqueueError::Batch { id, reason: not_open(&outer, item.as_ref()) })
            }
            // Another process has just created it.
            Transacted::Refused(..) => match self.read_item(id.as_str()).await? {
                Some(item) => exists(&id, &item),
                None => Err(super::contended(id.as_str()).into()),
            },
        }
    }

    /// Adds jobs to a batch that has not ended.
    pub(crate) async fn add_to_batch(&self, id: &JobId, mut jobs: Vec<EnqueueRequest>) -> Result<(), EnqueueError> {
        // The last write decides; this only saves writing what would be in vain.
        let item = self.read_item(id.as_str()).await?;
        if !item.as_ref().is_some_and(is_open) {
            return Err(EnqueueError::Batch { id: id.clone(), reason: not_open(id, item.as_ref()) });
        }
        let Some(lot) = self.write_lot(id, &mut jobs).await? else { return Ok(()) };
        let update = grows(&lot.parts, jobs.len() as u64).add(UNSENT, set([lot.id]));
        let update = self.part_of_transaction(&keys::job_key(id.as_str()), RECORD, update)?;
        match self
            .transact(vec![update, self.put_in_transaction(lot.item)?], || self.doing("write to", id.as_str()))
            .await?
        {
            Transacted::Done => Ok(()),
            Transacted::Refused(_, item) => {
                Err(EnqueueError::Batch { id: id.clone(), reason: not_open(id, item.as_ref()) })
            }
        }
    }

    /// The membership of a batch within another, and the writes that make it one.
    async fn join(&self, outer: &JobId, id: &JobId) -> Result<(Membership, Vec<TransactWriteItem>), StoreError> {
        let mut membership = Membership::of(outer.clone());
        (membership.part, membership.place) = (self.first_part(), Some(0));
        let mut writes =
            vec![self.part_of_transaction(&keys::job_key(outer.as_str()), RECORD, grows(&[membership.part], 1))?];
        let lot = self.lot_id();
        writes.push(self.put_in_transaction(self.part_item(&membership, 1, None))?);
        writes.push(self.put_in_transaction(self.chunk_item(outer, &lot, 0, &[Member::Batch(id.clone())])?)?);
        writes.push(self.put_in_transaction(self.lot_item(outer, &lot, 1, 1))?);
        Ok((membership, writes))
    }

    async fn batch_record(&self, id: &JobId, nonce: u64) -> Result<Attributes, StoreError> {
        let now = self.env().now();
        let key = ListingKey::new(now, id, Batch::QUEUE, Batch::JOB);
        Ok(Attributes::from([
            ("pk".into(), text(keys::job_key(id.as_str()))),
            ("sk".into(), text(RECORD)),
            ("st".into(), text(JobState::Waiting.as_str())),
            ("n".into(), number(0)),
            ("q".into(), text(Batch::QUEUE)),
            ("j".into(), text(Batch::JOB)),
            ("c".into(), time(now)),
            ("d".into(), time(now)),
            ("m".into(), text(Batch::message(id, now).to_json())),
            ("w".into(), number(nonce)),
            ("z".into(), number(nonce)),
            ("lpk".into(), text(key.partition(Class::Waiting))),
            ("lsk".into(), text(key.as_str())),
        ]))
    }

    /// How a batch stands.
    pub(crate) async fn read_batch(&self, id: &JobId) -> Result<Option<Batch>, StoreError> {
        let Some(item) = self.read_item(id.as_str()).await?.filter(Item::is_batch) else { return Ok(None) };
        let Some(mut batch) = item.batch() else { return Ok(None) };
        // Parts that were complete when the record was read are in its totals; the others are not.
        for part in self.read_parts(id, item.elements(OPEN)).await? {
            batch.succeeded += part.number("s").unwrap_or(0);
            batch.failed += part.number("f").unwrap_or(0);
            batch.cancelled += part.number("c").unwrap_or(0);
        }
        Ok(Some(batch))
    }
}

/// More parts and jobs, for a batch that is open.
fn grows(parts: &[u64], jobs: u64) -> Update {
    Update::new()
        .add(OPEN, set(parts.iter().map(u64::to_string)))
        .add(TOTALS[0], number(jobs))
        .when("#st = :waiting AND #j = :batch AND #q = :none AND attribute_not_exists(#cx)")
        .name("st")
        .name("j")
        .name("q")
        .name(CANCELLING)
        .value("waiting", text(JobState::Waiting.as_str()))
        .value("batch", text(Batch::JOB))
        .value("none", text(Batch::QUEUE))
}

fn is_open(item: &Item) -> bool {
    item.is_batch() && item.state() == JobState::Waiting && !item.0.contains_key(CANCELLING)
}

/// Why jobs cannot be added to a batch.
fn not_open(id: &JobId, item: Option<&Item>) -> String {
    let owner = item.map(Item::owner_job);
    let found = owner.as_ref().zip(item.map(Item::state));
    Batch::closed(id, found).unwrap_or_else(|| format!("batch {id} is being cancelled"))
}

/// The answer where the id is taken.
fn exists(id: &JobId, item: &Item) -> Result<Enqueued, EnqueueError> {
    Batch::existing(id.clone(), item.owner_job(), item.state())
}
