//! Entries of the outbox: jobs that somebody writes into the table in a transaction of their own.
//!
//! An entry is the item `JOB#id`, `OUT#nonce`: beside the job's record, and under a sort key of its own, so that neither a second
//! entry for the same id nor the entry of a delayed job is overwritten. It stands in the index `due`, due at the moment at which
//! it was made, where maintenance finds it. One that cannot be enqueued is moved there to a partition of its own.

use aws_sdk_dynamodb::types::AttributeValue;
use lamplighter::{
    JobId, Timestamp,
    backend::{StoreError, StoreErrorKind},
    outbox::OutboxEntry,
};

use super::{
    Dynamo,
    due::partition,
    item::{Attributes, Item, text, time},
    keys::{self, ListingKey, OUTBOX},
};
use crate::sdk::explain;

/// The partition of the index `due` with the entries that cannot be enqueued.
const FAILED: &str = "outbox-failed";
/// The longest error that is stored, in bytes.
const MAX_ERROR: usize = 2048;

/// An entry in the table.
#[derive(Debug, Clone)]
pub(crate) struct FoundEntry {
    /// The key of its item.
    pub(crate) key: EntryKey,
    /// The entry, or why it cannot be read.
    pub(crate) entry: Result<OutboxEntry, String>,
    pub(crate) error: Option<String>,
    pub(crate) failed_at: Option<Timestamp>,
}

/// The key of an entry's item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryKey {
    pub(crate) id: String,
    pub(crate) sort: String,
}

impl EntryKey {
    /// The key of an entry with an id.
    pub(crate) fn of(id: &JobId, entry: &OutboxEntry) -> Self {
        Self { id: id.to_string(), sort: format!("{OUTBOX}{:016x}", entry.nonce()) }
    }
}

impl Dynamo {
    /// The item of an entry that is made now.
    pub(crate) fn outbox_item(&self, id: &JobId, entry: &OutboxEntry, body: String) -> Attributes {
        let now = self.env().now();
        // The entries of a group are found in their order.
        let shard = keys::shard(entry.group().unwrap_or(id.as_str()));
        Attributes::from([
            ("pk".into(), text(keys::job_key(id.as_str()))),
            ("sk".into(), text(EntryKey::of(id, entry).sort)),
            ("dpk".into(), text(partition(shard))),
            ("dsk".into(), text(place(now, id.as_str()))),
            ("ob".into(), text(body)),
        ])
    }

    /// The entry with this key; `None` when it was enqueued meanwhile.
    pub(crate) async fn outbox_entry(&self, key: &EntryKey) -> Result<Option<FoundEntry>, StoreError> {
        let item = self.read_at(&keys::job_key(&key.id), &key.sort, || self.doing("read beside", &key.id)).await?;
        Ok(item.map(|item| FoundEntry::of(key.clone(), &item)))
    }

    /// Deletes an entry that was enqueued.
    pub(crate) async fn delete_outbox_entry(&self, key: &EntryKey) -> Result<(), StoreError> {
        let delete = self.client().await?.delete_item().table_name(self.table());
        let delete = delete.key("pk", text(keys::job_key(&key.id))).key("sk", text(&key.sort));
        delete.send().await.map(drop).map_err(|error| explain(&error, &self.doing("delete beside", &key.id)))
    }

    /// Marks an entry that cannot be enqueued, unless it is gone.
    pub(crate) async fn mark_outbox_entry(&self, key: &EntryKey, error: &str) -> Result<(), StoreError> {
        let mut end = error.len().min(MAX_ERROR);
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        let now = self.env().now();
        self.move_entry(key, FAILED, place(now, &key.id), Some((&error[..end], now))).await.map(drop)
    }

    /// Lets maintenance try a failed entry again; returns whether it was there.
    pub(crate) async fn retry_outbox_entry(&self, key: &EntryKey) -> Result<bool, StoreError> {
        let place = place(self.env().now(), &key.id);
        self.move_entry(key, &partition(keys::shard(&key.id)), place, None).await
    }

    async fn move_entry(
        &self,
        key: &EntryKey,
        partition: &str,
        place: String,
        error: Option<(&str, Timestamp)>,
    ) -> Result<bool, StoreError> {
        let update = self.client().await?.update_item().table_name(self.table());
        let update = update
            .key("pk", text(keys::job_key(&key.id)))
            .key("sk", text(&key.sort))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":dpk", text(partition))
            .expression_attribute_values(":dsk", text(place));
        let update = match error {
            Some((error, at)) => update
                .update_expression("SET dpk = :dpk, dsk = :dsk, y = :error, f = :at")
                .expression_attribute_values(":error", text(error))
                .expression_attribute_values(":at", time(at)),
            None => update.update_expression("SET dpk = :dpk, dsk = :dsk REMOVE y, f"),
        };
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|e| e.is_conditional_check_failed_exception()) => {
                Ok(false)
            }
            Err(error) => Err(explain(&error, &self.doing("write beside", &key.id))),
        }
    }

    /// A page of the entries that cannot be enqueued, the oldest first, and the cursor of the next one.
    pub(crate) async fn failed_outbox_entries(
        &self,
        cursor: Option<String>,
        most: i32,
    ) -> Result<(Vec<FoundEntry>, Option<String>), StoreError> {
        // One character after the last one: `BETWEEN` includes both bounds.
        let low = cursor.map_or_else(|| "0".to_owned(), |cursor| format!("{cursor}!"));
        let query = self.client().await?.query().table_name(self.table()).index_name(Self::DUE).limit(most);
        let query = query
            .key_condition_expression("dpk = :partition AND dsk BETWEEN :low AND :high")
            .expression_attribute_values(":partition", text(FAILED))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text("~"));
        let page = query.send().await;
        let page =
            page.map_err(|error| explain(&error, &format!("look for failed entries in table {}", self.table())))?;
        let next = page.last_evaluated_key.is_some();
        let items: Vec<_> = page.items.unwrap_or_default().into_iter().map(Item).collect();
        let cursor = items.last().filter(|_| next).and_then(|item| item.text("dsk")).map(str::to_owned);
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            let key = EntryKey { id: item.id().to_owned(), sort: item.text("sk").unwrap_or_default().to_owned() };
            entries.extend(self.outbox_entry(&key).await?);
        }
        Ok((entries, cursor))
    }
}

fn place(at: Timestamp, id: &str) -> String {
    format!("{}#{id}", ListingKey::start_of(at))
}

impl FoundEntry {
    fn of(key: EntryKey, item: &Item) -> Self {
        let entry = match item.0.get("ob") {
            Some(AttributeValue::S(body)) => read(&key.id, body),
            _ => Err("its entry is not a text".into()),
        };
        let (error, failed_at) = (item.text("y").map(str::to_owned), item.time("f"));
        Self { key, entry, error, failed_at }
    }
}

fn read(id: &str, body: &str) -> Result<OutboxEntry, String> {
    let id = JobId::new(id).map_err(|_| "its key names no job".to_owned())?;
    let entry: OutboxEntry = body.parse().map_err(|error: lamplighter::outbox::InvalidEntry| error.to_string())?;
    entry.with_id(id).map_err(|error| error.to_string())
}

/// Returns whether a sort key is that of an entry.
pub(super) fn is_entry(sort: &str) -> bool {
    sort.starts_with(OUTBOX)
}

/// The error for an outbox without a table.
pub(crate) fn no_table() -> StoreError {
    StoreError::new(
        StoreErrorKind::Invalid,
        "there is no outbox: no table is configured here; set LAMPLIGHTER_TABLE to its name",
    )
}
