//! Reading records.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::{
    config::{self, retry::RetryConfig},
    types::KeysAndAttributes,
};
use lamplighter::{JobId, Record, backend::StoreError};

use super::{
    Dynamo,
    item::{Attributes, Item, text},
    keys::{self, PIECE, RECORD},
    pieces,
};
use crate::sdk::explain;

/// Items of one BatchGetItem (Amazon DynamoDB API Reference, "BatchGetItem").
const BATCH: usize = 100;

impl Dynamo {
    /// Opens a connection to DynamoDB by a call that changes nothing, which is tried once and costs half a read unit.
    pub(crate) async fn connect(&self) -> Result<(), StoreError> {
        let once = config::Config::builder().retry_config(RetryConfig::disabled());
        let get = self.client().await?.get_item().table_name(self.table());
        // Not a job's key.
        let get = get.key("pk", text("META")).key("sk", text("connect")).projection_expression("pk");
        let got = get.customize().config_override(once).send().await;
        got.map(|_| ()).map_err(|error| explain(&error, &format!("read table {}", self.table())))
    }

    /// The record's item only.
    pub(super) async fn read_item(&self, id: &str) -> Result<Option<Item>, StoreError> {
        let item = self.read_at(&keys::job_key(id), RECORD, || self.doing("read", id)).await?;
        Ok(item.filter(|item| !item.is_gone(self.env().now())))
    }

    /// The item with this key, whether or not it has expired; `doing` is for an error.
    pub(super) async fn read_at(
        &self,
        pk: &str,
        sk: &str,
        doing: impl FnOnce() -> String,
    ) -> Result<Option<Item>, StoreError> {
        let get = self.client().await?.get_item().table_name(self.table()).consistent_read(true);
        let got = get.key("pk", text(pk)).key("sk", text(sk)).send().await;
        got.map(|got| got.item.map(Item)).map_err(|error| explain(&error, &doing()))
    }

    /// A page of the items under this partition key whose sort keys begin with `prefix`, after the sort key `after`, and
    /// whether there may be more; `doing` is for an error.
    pub(super) async fn read_page_at(
        &self,
        pk: &str,
        (prefix, after): (&str, Option<&str>),
        most: i32,
        doing: impl FnOnce() -> String,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let query = self.client().await?.query().table_name(self.table()).consistent_read(true).limit(most);
        // One character after the last one: `BETWEEN` includes both bounds.
        let low = after.map_or_else(|| prefix.to_owned(), |after| format!("{after}!"));
        let query = query
            .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", text(pk))
            .expression_attribute_values(":low", text(low))
            .expression_attribute_values(":high", text(format!("{prefix}~")));
        let page = query.send().await.map_err(|error| explain(&error, &doing()))?;
        let goes_on = page.last_evaluated_key.is_some();
        Ok((page.items.unwrap_or_default().into_iter().map(Item).collect(), goes_on))
    }

    /// The record, and the items beside it.
    pub(crate) async fn read_record(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        let query = self.client().await?.query().table_name(self.table()).consistent_read(true);
        let query = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::job_key(id.as_str())));
        let mut pages = query.into_paginator().send();
        let (mut record, mut pieces) = (None, Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, &self.doing("read", id.as_str())))?;
            for attributes in page.items.unwrap_or_default() {
                let item = Item(attributes);
                match item.text("sk") {
                    Some(RECORD) => record = Some(item),
                    // Fewer than ten, so they sort in order.
                    Some(sk) if sk.starts_with(PIECE) => pieces.push(item),
                    _ => {}
                }
            }
        }
        let record = record.filter(|item| !item.is_gone(self.env().now()));
        let Some(record) = record else { return Ok(None) };
        // The pieces of the record's writer: others may have tried to create a record with its id.
        let own = pieces::of_writer(record.number("w").unwrap_or_default());
        let own = pieces.iter().filter(|piece| piece.text("sk").is_some_and(|sk| sk.starts_with(&own)));
        let message: String = own.filter_map(|piece| piece.text("m")).collect();
        record.record((!message.is_empty()).then_some(&*message)).map(Some)
    }

    /// The records of some jobs, if they exist, in no order.
    pub(super) async fn read_items(&self, ids: &[&str], only: Option<&str>) -> Result<Vec<Item>, StoreError> {
        // DynamoDB refuses a batch with the same key twice.
        let ids: BTreeSet<&str> = ids.iter().copied().collect();
        let keys: Vec<_> = ids.into_iter().map(|id| key(&keys::job_key(id))).collect();
        let now = self.env().now();
        Ok(self.read_all(&keys, only).await?.into_iter().filter(|item| !item.is_gone(now)).collect())
    }

    /// The records of these jobs, in the order of their ids.
    pub(crate) async fn read_records(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        let names: Vec<&str> = ids.iter().map(JobId::as_str).collect();
        let items = self.read_items(&names, None).await?;
        let by_id: HashMap<&str, &Item> = items.iter().map(|item| (item.id(), item)).collect();
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            records.push(match by_id.get(id.as_str()) {
                None => None,
                // Its message stands beside it.
                Some(item) if item.pieces() > 0 => self.read_record(id).await?,
                Some(item) => Some(item.record(None)?),
            });
        }
        Ok(records)
    }

    /// The items with these keys, if they exist, in no order.
    pub(super) async fn read_all(&self, keys: &[Attributes], only: Option<&str>) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::with_capacity(keys.len());
        for keys in keys.chunks(BATCH) {
            let mut open = keys.to_vec();
            let mut pause = std::time::Duration::from_millis(20);
            while !open.is_empty() {
                let mut wanted = KeysAndAttributes::builder().set_keys(Some(open)).consistent_read(true);
                if let Some(attributes) = only {
                    wanted = wanted.projection_expression(attributes);
                }
                let wanted = wanted
                    .build()
                    .map_err(|error| StoreError::new(lamplighter::backend::StoreErrorKind::Invalid, error))?;
                let get = self.client().await?.batch_get_item().request_items(self.table(), wanted);
                let got = get.send().await;
                let got = got.map_err(|error| explain(&error, &format!("read records in table {}", self.table())))?;
                let mut found = got.responses.unwrap_or_default();
                items.extend(found.remove(self.table()).unwrap_or_default().into_iter().map(Item));
                // Keys for which it had no room or no capacity.
                let mut left: HashMap<_, KeysAndAttributes> = got.unprocessed_keys.unwrap_or_default();
                open = left.remove(self.table()).map(|left| left.keys).unwrap_or_default();
                if !open.is_empty() {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(std::time::Duration::from_secs(1));
                }
            }
        }
        Ok(items)
    }
}

/// The key of a record, or of another item that is alone under its partition key.
pub(super) fn key(pk: &str) -> Attributes {
    Attributes::from([("pk".into(), text(pk)), ("sk".into(), text(RECORD))])
}
