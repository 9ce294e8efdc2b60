//! The jobs of batches, in lots, until they are sent and as long as they are listed.

use std::{collections::BTreeSet, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::TryFutureExt;
use lamplighter::{
    JobId, Timestamp, Tracking,
    backend::{BatchJobs, EnqueueRequest, Membership, StoreError, StoreErrorKind},
    message::Message,
};
use serde::{Deserialize, Serialize};

use super::{UNSENT, invalid, is_open, set};
use crate::{
    dynamo::{
        Dynamo, PIECES_KEPT, each, expiry,
        expression::Update,
        item::{Attributes, Item, number, text},
        keys::{self, RECORD},
        read::key,
    },
    layout::batch_parts,
    sdk::explain,
};

/// Jobs of a chunk, and their bytes: an item has at most 400 KB (Amazon DynamoDB Developer Guide, "Service quotas").
const CHUNK: usize = 100;
const CHUNK_BYTES: usize = 350 * 1024;
/// Chunks that are read at a time.
const CHUNKS_AT_ONCE: i32 = 10;
/// The prefixes of sort keys.
const LOT: &str = "L#";
const CHUNKS: &str = "C#";

/// A job of a batch, or a batch within it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Member {
    #[serde(rename = "j")]
    Job {
        #[serde(rename = "q")]
        queue: Arc<str>,
        #[serde(rename = "t")]
        tracking: Tracking,
        #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
        #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
        group: Option<Arc<str>>,
        #[serde(rename = "m")]
        message: Box<Message>,
    },
    #[serde(rename = "b")]
    Batch(JobId),
}

/// Jobs that are to be added to a batch together.
pub(super) struct Prepared {
    pub(super) id: String,
    /// The parts that count them.
    pub(super) parts: Vec<u64>,
    /// The item that makes them the batch's jobs, to be written together with the batch's record.
    pub(super) item: Attributes,
}

/// Jobs of a batch that are being sent.
pub(crate) struct Lot {
    id: String,
    /// Its chunks, and how many of them are sent.
    pub(crate) chunks: usize,
    pub(crate) sent: usize,
}

impl Member {
    fn of(request: &EnqueueRequest) -> Self {
        Self::Job {
            queue: request.queue.clone(),
            tracking: request.tracking,
            due_at: request.due_at,
            group: request.group.clone(),
            message: Box::new((*request.message).clone()),
        }
    }

    /// The request to enqueue it; `None` for a batch, which is not sent.
    pub(crate) fn request(self) -> Option<EnqueueRequest> {
        let Self::Job { queue, tracking, due_at, group, message } = self else { return None };
        let mut request = EnqueueRequest::new(message.id.clone()?, queue, Arc::from(message));
        (request.tracking, request.due_at, request.group) = (tracking, due_at, group);
        Some(request)
    }

    pub(crate) fn id(&self) -> Option<&JobId> {
        match self {
            Self::Job { message, .. } => message.id.as_ref(),
            Self::Batch(id) => Some(id),
        }
    }
}

fn batch_key(id: &JobId) -> String {
    format!("BATCH#{id}")
}

fn part_key(id: &JobId, part: &str) -> String {
    format!("BATCH#{id}#{part}")
}

fn chunk_key(lot: &str, number: usize) -> String {
    format!("{CHUNKS}{lot}#{number:06}")
}

impl Dynamo {
    /// An id of a lot. Later ones are greater.
    pub(super) fn lot_id(&self) -> String {
        let now = keys::nanos(self.env().now()).max(0);
        format!("{now:019}-{:08x}", self.env().random.next_u64() >> 32)
    }

    /// The first of some numbers for parts, which no other part of a batch has.
    pub(super) fn first_part(&self) -> u64 {
        // Below 2⁵³, so that JSON in any language can carry it.
        self.env().random.next_u64() >> 12
    }

    /// Writes the jobs of a lot and the parts that count them, and tells each job its part. They become the batch's jobs with
    /// the write of the lot's item. `None` for no jobs.
    pub(super) async fn write_lot(
        &self,
        id: &JobId,
        jobs: &mut [EnqueueRequest],
    ) -> Result<Option<Prepared>, StoreError> {
        if jobs.is_empty() {
            return Ok(None);
        }
        let (lot, first) = (self.lot_id(), self.first_part());
        // A part is needed until the last of its jobs has ended.
        let last_due = jobs.iter().filter_map(|job| job.due_at).max();
        let parts = batch_parts(jobs.len());
        let share = jobs.len().div_ceil(parts);
        let mut items = Vec::new();
        let mut numbers = Vec::new();
        for (part, jobs) in (first..).zip(jobs.chunks_mut(share)) {
            let mut membership = Membership::of(id.clone());
            membership.part = part;
            items.push(self.part_item(&membership, jobs.len(), last_due));
            numbers.push(part);
            for (place, job) in (0..).zip(jobs) {
                membership.place = Some(place);
                Arc::make_mut(&mut job.message).batch = Some(membership.clone());
            }
        }
        let mut chunks = 0;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for job in jobs.iter() {
            let size = job.message.args.get().len() + 1024;
            if chunk.len() == CHUNK || (bytes + size > CHUNK_BYTES && !chunk.is_empty()) {
                items.push(self.chunk_item(id, &lot, chunks, &std::mem::take(&mut chunk))?);
                (chunks, bytes) = (chunks + 1, 0);
            }
            chunk.push(Member::of(job));
            bytes += size;
        }
        items.push(self.chunk_item(id, &lot, chunks, &chunk)?);
        chunks += 1;
        let puts = items.into_iter().map(async |item| {
            let put = self.client().await?.put_item().table_name(self.table()).set_item(Some(item));
            put.send().map_err(|error| explain(&error, &self.doing("write jobs of", id.as_str()))).await
        });
        for put in each(puts.collect()).await {
            put?;
        }
        let item = self.lot_item(id, &lot, chunks, 0);
        Ok(Some(Prepared { id: lot, parts: numbers, item }))
    }

    /// The item of a lot, of which the first chunks are sent.
    pub(super) fn lot_item(&self, id: &JobId, lot: &str, chunks: usize, sent: usize) -> Attributes {
        Attributes::from([
            ("pk".into(), text(batch_key(id))),
            ("sk".into(), text(format!("{LOT}{lot}"))),
            ("n".into(), number(chunks)),
            ("sent".into(), number(sent)),
            ("ttl".into(), expiry(self.env().now(), PIECES_KEPT)),
        ])
    }

    /// The item of a part with jobs that are due by then at the latest.
    pub(super) fn part_item(&self, membership: &Membership, jobs: usize, last_due: Option<Timestamp>) -> Attributes {
        let now = self.env().now();
        Attributes::from([
            ("pk".into(), text(part_key(&membership.id, &membership.part.to_string()))),
            ("sk".into(), text(RECORD)),
            ("o".into(), number(jobs)),
            ("ttl".into(), expiry(last_due.map_or(now, |due_at| due_at.max(now)), PIECES_KEPT)),
        ])
    }

    pub(super) fn chunk_item(
        &self,
        id: &JobId,
        lot: &str,
        number: usize,
        members: &[Member],
    ) -> Result<Attributes, StoreError> {
        let texts: Result<Vec<_>, _> =
            members.iter().map(|member| serde_json::to_string(member).map(AttributeValue::S)).collect();
        Ok(Attributes::from([
            ("pk".into(), text(batch_key(id))),
            ("sk".into(), text(chunk_key(lot, number))),
            ("jobs".into(), AttributeValue::L(texts.map_err(invalid)?)),
            ("ttl".into(), expiry(self.env().now(), PIECES_KEPT)),
        ]))
    }

    /// The keys of a part's item.
    pub(super) fn part_keys(membership: &Membership) -> String {
        part_key(&membership.id, &membership.part.to_string())
    }

    /// The items of some parts.
    pub(super) async fn read_parts(&self, id: &JobId, parts: &[String]) -> Result<Vec<Item>, StoreError> {
        let keys: Vec<_> = parts.iter().map(|part| key(&part_key(id, part))).collect();
        self.read_all(&keys, None).await
    }

    /// The item of a batch with this sort key.
    async fn read_in(&self, id: &JobId, sk: &str) -> Result<Option<Item>, StoreError> {
        let key = batch_key(id);
        self.read_at(&key, sk, || self.doing("read", &key)).await
    }

    /// The lots of a batch that have not been sent completely; none once the batch has ended or is being cancelled.
    pub(crate) async fn unsent(&self, id: &JobId) -> Result<Vec<Lot>, StoreError> {
        let Some(batch) = self.read_item(id.as_str()).await? else { return Ok(Vec::new()) };
        if !is_open(&batch) {
            return Ok(Vec::new());
        }
        let mut lots = Vec::new();
        for lot in batch.elements(UNSENT) {
            let item = self.read_in(id, &format!("{LOT}{lot}")).await?;
            let Some(item) = item else { continue };
            let (chunks, sent) = (item.number("n").unwrap_or(0), item.number("sent").unwrap_or(0));
            lots.push(Lot { id: lot.clone(), chunks, sent });
        }
        lots.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(lots)
    }

    /// Notes that the first chunks of a lot are sent.
    pub(crate) async fn is_sent(&self, id: &JobId, lot: &Lot, sent: usize) -> Result<(), StoreError> {
        if sent >= lot.chunks {
            let update = Update::new().delete(UNSENT, set([lot.id.clone()])).when("attribute_exists(#pk)").name("pk");
            return self.update(id.as_str(), update).await.map(drop);
        }
        let update = self.client().await?.update_item().table_name(self.table());
        let update = update.key("pk", text(batch_key(id))).key("sk", text(format!("{LOT}{}", lot.id)));
        let update = update.update_expression("SET sent = :sent").condition_expression("attribute_exists(pk)");
        let sent = update.expression_attribute_values(":sent", number(sent)).send().await;
        sent.map(drop).map_err(|error| explain(&error, &self.doing("write beside", id.as_str())))
    }

    /// The jobs of a chunk.
    pub(crate) async fn chunk(&self, id: &JobId, lot: &Lot, number: usize) -> Result<Vec<Member>, StoreError> {
        let item = self.read_in(id, &chunk_key(&lot.id, number)).await?;
        item.map_or(Ok(Vec::new()), |item| members(&item))
    }

    /// The lots of a batch. A chunk of any other was written in vain: by a process that died, or that another was ahead of.
    pub(crate) async fn lots(&self, id: &JobId) -> Result<BTreeSet<String>, StoreError> {
        let (mut lots, mut after) = (BTreeSet::new(), None);
        loop {
            let found = self.beside(id, LOT, after.as_deref(), 1000).await?;
            let Some(last) = found.last() else { return Ok(lots) };
            after = last.text("sk").map(str::to_owned);
            lots.extend(found.iter().filter_map(|item| item.text("sk")?.strip_prefix(LOT).map(str::to_owned)));
        }
    }

    /// Some chunks of these lots after a sort key, with their own sort keys. Nothing at the end.
    pub(crate) async fn chunks(
        &self,
        id: &JobId,
        lots: &BTreeSet<String>,
        mut after: Option<String>,
    ) -> Result<Vec<(String, Vec<Member>)>, StoreError> {
        loop {
            let items = self.beside(id, CHUNKS, after.as_deref(), CHUNKS_AT_ONCE).await?;
            let Some(last) = items.last() else { return Ok(Vec::new()) };
            after = last.text("sk").map(str::to_owned);
            let mut chunks = Vec::with_capacity(items.len());
            for item in &items {
                let key = item.text("sk").unwrap_or_default();
                let lot = key.strip_prefix(CHUNKS).and_then(|key| key.split_once('#')).map(|(lot, _)| lot);
                if lot.is_some_and(|lot| lots.contains(lot)) {
                    chunks.push((key.to_owned(), members(item)?));
                }
            }
            if !chunks.is_empty() {
                return Ok(chunks);
            }
        }
    }

    /// A page of the items of a batch whose sort keys begin with this, after one of them.
    async fn beside(&self, id: &JobId, prefix: &str, after: Option<&str>, most: i32) -> Result<Vec<Item>, StoreError> {
        let doing = || self.doing("read jobs of", id.as_str());
        self.read_page_at(&batch_key(id), (prefix, after), most, doing).await.map(|(items, _)| items)
    }

    /// The ids of a batch's jobs, a page at a time. A cursor is the sort key of a chunk, and how many of its jobs were shown.
    pub(crate) async fn batch_jobs(
        &self,
        id: &JobId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<BatchJobs, StoreError> {
        let foreign = || {
            StoreError::new(StoreErrorKind::Invalid, "this is not a cursor of a batch's jobs; list again without one")
        };
        let (mut after, mut skip) = match cursor {
            None => (None, 0),
            Some(cursor) => {
                let (chunk, shown) = cursor.rsplit_once(':').ok_or_else(foreign)?;
                let shown: usize = shown.parse().map_err(|_| foreign())?;
                if !chunk.starts_with(CHUNKS) {
                    return Err(foreign());
                }
                // One character before it: the chunk itself is read again.
                (Some(chunk.strip_suffix(|_: char| true).unwrap_or(chunk).to_owned()), shown)
            }
        };
        let mut at = cursor.and_then(|cursor| cursor.rsplit_once(':')).map(|(chunk, _)| chunk.to_owned());
        let (lots, mut ids) = (self.lots(id).await?, Vec::new());
        loop {
            let found = self.chunks(id, &lots, after).await?;
            let Some((last, _)) = found.last() else { return Ok(BatchJobs::new(ids, None)) };
            after = Some(last.clone());
            for (key, members) in &found {
                let shown = match at.as_deref() {
                    Some(at) if key.as_str() < at => continue,
                    Some(at) if key == at => std::mem::take(&mut skip),
                    _ => 0,
                };
                at = None;
                for (index, member) in members.iter().enumerate().skip(shown) {
                    if ids.len() == limit {
                        return Ok(BatchJobs::new(ids, Some(format!("{key}:{index}"))));
                    }
                    ids.extend(member.id().cloned());
                }
            }
        }
    }
}

fn members(item: &Item) -> Result<Vec<Member>, StoreError> {
    let list = item.0.get("jobs").and_then(|list| list.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
    let texts = list.iter().filter_map(|text| text.as_s().ok());
    texts
        .map(|text| serde_json::from_str(text).map_err(|error| invalid(format_args!("a job of a batch: {error}"))))
        .collect()
}
