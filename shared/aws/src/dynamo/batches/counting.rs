//! The ends of jobs that a batch counts, and the end of the batch.

use aws_sdk_dynamodb::types::AttributeValue;
use lamplighter::{
    Batch, JobId, JobState,
    backend::{EnqueueRequest, Membership, StoreError},
    message::Outcome,
    record::Progress,
};

use super::{CANCELLING, FAILED, OPEN, TOTALS, set};
use crate::dynamo::{
    Dynamo, Written, expiry,
    expression::Update,
    item::{COUNTED, Item, json, number, text, time},
    keys::{self, Class, RECORD},
    listed,
    transaction::Transacted,
};

/// The end of a job, which its batch has counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) batch: Membership,
    pub(crate) state: JobState,
}

/// What follows from the ends of jobs in their batches.
#[derive(Debug, Default)]
pub(crate) struct Tended {
    /// Batches that have ended, and that other jobs wait for.
    pub(crate) ended: Vec<(JobId, JobState)>,
    /// Batches of which the first job has failed, and that other jobs wait for.
    pub(crate) failed: Vec<JobId>,
}

/// The places of the jobs that a part has counted: a set.
const COUNTED_PLACES: &str = "pl";

/// The count of a part that an end goes to.
const fn count_of(state: JobState) -> &'static str {
    match state {
        JobState::Succeeded => "s",
        JobState::Failed => "f",
        _ => "c",
    }
}

impl Item {
    /// The batch that has counted its end, and which end that was.
    pub(in crate::dynamo) fn counted(&self) -> Option<Counted> {
        let state = self.text(COUNTED)?.parse().ok()?;
        Some(Counted { batch: self.membership()?, state })
    }

    /// The batch that is to count its end: none, once that is done.
    pub(in crate::dynamo) fn uncounted(&self) -> Option<Membership> {
        self.membership().filter(|_| !self.0.contains_key(COUNTED))
    }
}

impl Dynamo {
    /// Writes that a job has ended; with a batch that is to count it, in one transaction with the count.
    pub(in crate::dynamo) async fn write_end(
        &self,
        id: &str,
        update: Update,
        batch: Option<&Membership>,
        state: JobState,
    ) -> Result<Written, StoreError> {
        let Some(batch) = batch.filter(|_| state.is_final()) else { return self.update(id, update).await };
        let counted = update.clone().set(COUNTED, text(state.as_str())).when("attribute_not_exists(#bc)");
        let writes = vec![
            self.part_of_transaction(&keys::job_key(id), RECORD, counted)?,
            self.part_of_transaction(&Self::part_keys(batch), RECORD, counts(batch, state))?,
        ];
        match self.transact(writes, || self.doing("write to", id)).await? {
            // What others have changed since then is not its end.
            Transacted::Done => {
                Ok(Written::Applied(self.read_item(id).await?.unwrap_or_else(|| Item(Default::default()))))
            }
            Transacted::Refused(0, item) => Ok(Written::Refused(item)),
            // There is no such batch, or not any more; or it has counted the job before the job's record expired.
            Transacted::Refused(..) => self.update(id, update).await,
        }
    }

    /// Records a job of a batch that has no record as cancelled, unless it gets one meanwhile, or has ended before and its
    /// record has expired. It is counted.
    pub(crate) async fn cancel_member(&self, request: &EnqueueRequest, reason: &str) -> Result<bool, StoreError> {
        let Some(batch) = &request.message.batch else { return Ok(false) };
        let nonce = self.env().random.next_u64();
        let mut record = self.cancelled_record(request, reason, nonce).await?;
        record.insert(COUNTED.into(), text(JobState::Cancelled.as_str()));
        let writes = vec![
            self.put_first_in_transaction(record)?,
            self.part_of_transaction(&Self::part_keys(batch), RECORD, counts(batch, JobState::Cancelled))?,
        ];
        let done = self.transact(writes, || self.doing("write", request.id.as_str())).await?;
        Ok(matches!(done, Transacted::Done))
    }

    /// Does what follows from an end that was counted: in its part, its batch, and the batches around that. May be done twice.
    pub(crate) async fn tend(&self, counted: Counted) -> Result<Tended, StoreError> {
        let mut tended = Tended::default();
        self.tend_outwards(Some(counted), &mut tended).await?;
        Ok(tended)
    }

    /// Goes from an end to the batch that has counted it, and from that one's end on, as far as there is one.
    async fn tend_outwards(&self, mut next: Option<Counted>, tended: &mut Tended) -> Result<(), StoreError> {
        while let Some(Counted { batch, state }) = next.take() {
            if state != JobState::Succeeded && self.is_first_failure(&batch.id).await? {
                tended.failed.push(batch.id.clone());
            }
            if let Some(record) = self.fold(&batch).await? {
                next = self.complete(&batch.id, record, tended).await?;
            }
        }
        Ok(())
    }

    /// Does for an open batch what a crash may have left: returns what follows, and whether it is being cancelled, and why.
    pub(crate) async fn look_after_batch(&self, id: &JobId) -> Result<(Tended, Option<String>), StoreError> {
        let mut tended = Tended::default();
        let Some(record) = self.read_item(id.as_str()).await?.filter(Item::is_batch) else { return Ok((tended, None)) };
        let cancelling = record.text(CANCELLING).map(str::to_owned);
        if record.0.contains_key(FAILED) && record.is_followed() {
            tended.failed.push(id.clone());
        }
        let mut last = record;
        for part in last.elements(OPEN).to_vec() {
            let mut batch = Membership::of(id.clone());
            batch.part = part.parse().unwrap_or_default();
            if let Some(record) = self.fold(&batch).await? {
                last = record;
            }
        }
        let own = self.complete(id, last, &mut tended).await?;
        self.tend_outwards(own, &mut tended).await?;
        Ok((tended, cancelling))
    }

    /// Adds the counts of a part whose jobs have all ended to its batch, once, and returns the batch's record as it is then.
    async fn fold(&self, batch: &Membership) -> Result<Option<Item>, StoreError> {
        let key = Self::part_keys(batch);
        let part = self.read_at(&key, RECORD, || self.doing("read", &key)).await?;
        let Some(part) = part.filter(|part| part.number("o") == Some(0)) else { return Ok(None) };
        let element = batch.part.to_string();
        let mut update = Update::new()
            .delete(OPEN, set([element.clone()]))
            .when("contains(#op, :part)")
            .value("part", text(element));
        for (total, count) in TOTALS[1..].iter().zip(["s", "f", "c"]) {
            update = update.add(total, number(part.number::<u64>(count).unwrap_or(0)));
        }
        Ok(match self.update(batch.id.as_str(), update).await? {
            Written::Applied(record) => Some(record),
            // It was added before.
            Written::Refused(record) => record,
        })
    }

    /// Ends a batch that has no open part, and returns its own end, if a batch around it has counted that.
    async fn complete(&self, id: &JobId, record: Item, tended: &mut Tended) -> Result<Option<Counted>, StoreError> {
        let Some(batch) = record.batch().filter(|_| record.is_batch()) else { return Ok(None) };
        if !record.elements(OPEN).is_empty() {
            return Ok(None);
        }
        let mut record = record;
        if batch.state == JobState::Waiting {
            let cancelling = record.text(CANCELLING);
            let state = if cancelling.is_some() { JobState::Cancelled } else { batch.outcome() };
            let now = self.env().now();
            let update = Update::new()
                .set("st", text(state.as_str()))
                .set("f", time(now))
                .set("ttl", expiry(now, Batch::KEPT))
                .set("u", text(batch.output()))
                .set_some("p", json(&Progress { done: batch.done(), total: batch.total }))
                .set_some("y", cancelling.filter(|reason| !reason.is_empty()).map(text))
                .when("#st = :waiting AND attribute_not_exists(#op)")
                .name(OPEN)
                .value("waiting", text(JobState::Waiting.as_str()));
            let key = record.listing_key();
            let update = listed(update, key.as_ref().map(|key| (key, Class::of(state))));
            record = match self.write_end(id.as_str(), update, record.uncounted().as_ref(), state).await? {
                Written::Applied(record) => record,
                // Another process has ended it, or jobs were added.
                Written::Refused(Some(record)) => record,
                Written::Refused(None) => return Ok(None),
            };
        }
        if !record.state().is_final() {
            return Ok(None);
        }
        if record.is_followed() {
            tended.ended.push((id.clone(), record.state()));
        }
        Ok(record.counted())
    }

    /// Marks a batch as one with a failed job; returns whether that is new, and jobs wait for the batch.
    async fn is_first_failure(&self, id: &JobId) -> Result<bool, StoreError> {
        let record = self.read_item(id.as_str()).await?.filter(Item::is_batch);
        // A batch that is being cancelled has not failed.
        if !record.is_some_and(|record| super::is_open(&record) && !record.0.contains_key(FAILED)) {
            return Ok(false);
        }
        let update = Update::new()
            .set(FAILED, AttributeValue::Bool(true))
            .when("#st = :waiting AND attribute_not_exists(#ff) AND attribute_not_exists(#cx)")
            .name("st")
            .name(CANCELLING)
            .value("waiting", text(JobState::Waiting.as_str()));
        Ok(matches!(self.update(id.as_str(), update).await?, Written::Applied(record) if record.is_followed()))
    }

    /// The jobs that wait for a failure in a batch that has not ended, and are to be sent now: a page of its edges. The walk
    /// goes on at `from`, and ends with `None`.
    pub(crate) async fn failure_callbacks(
        &self,
        id: &JobId,
        from: &mut Option<String>,
    ) -> Result<Option<Vec<EnqueueRequest>>, StoreError> {
        let (edges, _) = self.edges(id.as_str(), from.as_deref()).await?;
        let Some(last) = edges.last() else { return Ok(None) };
        *from = last.text("sk").map(str::to_owned);
        let mut ready = Vec::new();
        for edge in &edges {
            if edge.text("on").and_then(Outcome::named) == Some(Outcome::Failure)
                && let Some(child) = Self::child_of(edge)
            {
                ready.extend(self.has_met(child, id.as_str()).await?);
            }
        }
        Ok(Some(ready))
    }

    /// Marks a batch as being cancelled; returns whether it has not ended.
    pub(crate) async fn begin_to_cancel(
        &self,
        id: &JobId,
        reason: Option<&str>,
    ) -> Result<Option<JobState>, StoreError> {
        let update = Update::new()
            .set(CANCELLING, text(reason.unwrap_or_default()))
            .when("#st = :waiting")
            .name("st")
            .value("waiting", text(JobState::Waiting.as_str()));
        Ok(match self.update(id.as_str(), update).await? {
            Written::Applied(record) => Some(record.state()),
            Written::Refused(record) => record.map(|record| record.state()),
        })
    }
}

/// One more end in a part, which counts each job once. The part remembers whom it has counted: the records of its jobs may expire
/// while the batch is open.
fn counts(batch: &Membership, state: JobState) -> Update {
    let update =
        Update::new().add(count_of(state), number(1)).add("o", number(-1)).when("#o > :zero").value("zero", number(0));
    match batch.place {
        Some(place) => update
            .add(COUNTED_PLACES, AttributeValue::Ns(vec![place.to_string()]))
            .when("NOT contains(#pl, :place)")
            .value("place", number(place)),
        // A job of an earlier version.
        None => update,
    }
}
