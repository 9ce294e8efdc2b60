//! Deleting the records of ended jobs.
//!
//! SQS delivers a message more than once at times, and nothing tells when the last copy of it is gone. So a deleted record
//! leaves a mark in its place for as long as a message lives: it says how the job ended and whose id it is, and a claim takes
//! it for the record, so that a late copy is acknowledged and not run. All others take it for nothing. What stood beside the
//! record is deleted after it: a crash in between leaves items that expire by themselves, and a second call deletes them.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use lamplighter::{JobId, JobState, backend::StoreError};

use super::{
    CALLS_AT_ONCE, Counted, Dynamo, MESSAGE_LIFE, TRIES, Written,
    claim::held_to,
    contended, expiry,
    expression::Update,
    item::{DELETED, Item, number, text},
    keys::{self, OUTBOX, RECORD},
    logs,
};
use crate::sdk::explain;

/// What a mark keeps of its record: its keys, its state and its owner.
const KEPT: [&str; 7] = ["pk", "sk", "st", "q", "j", "z", "ttl"];

/// An ended job, as a deletion finds it.
pub(crate) struct Ended {
    item: Item,
    /// Its state, if other jobs wait for it that have not been started.
    pub(crate) unfollowed: Option<JobState>,
    /// The batch that has counted its end.
    pub(crate) counted: Option<Counted>,
}

/// What a deletion finds.
pub(crate) enum Found {
    /// There is no such job.
    Unknown,
    /// It has not ended, and is in this state.
    Open(JobState),
    /// It is a batch.
    Batch,
    /// It has ended.
    Ended(Box<Ended>),
}

impl Ended {
    /// How it has ended.
    pub(crate) fn state(&self) -> JobState {
        self.item.state()
    }
}

impl Dynamo {
    /// Looks at a job that is to be deleted. Where it is deleted already, deletes what is left beside it.
    pub(crate) async fn find_to_delete(&self, id: &JobId) -> Result<Found, StoreError> {
        let doing = || self.doing("read", id.as_str());
        let Some(item) = self.read_at(&keys::job_key(id.as_str()), RECORD, doing).await? else {
            return Ok(Found::Unknown);
        };
        if item.has_expired(self.env().now()) {
            return Ok(Found::Unknown);
        }
        if item.is_deleted() {
            self.delete_beside(id).await?;
            return Ok(Found::Unknown);
        }
        let state = item.state();
        if item.is_batch() {
            return Ok(Found::Batch);
        }
        if !state.is_final() {
            return Ok(Found::Open(state));
        }
        let (unfollowed, counted) = (item.is_followed().then_some(state), item.counted());
        Ok(Found::Ended(Box::new(Ended { item, unfollowed, counted })))
    }

    /// Deletes the record of an ended job, and what stands beside it. `false`: the record has changed since it was read.
    pub(crate) async fn delete_ended(&self, id: &JobId, ended: &Ended) -> Result<bool, StoreError> {
        let (item, nonce) = (&ended.item, self.env().random.next_u64());
        let others: Vec<&str> = item.0.keys().map(String::as_str).filter(|name| !KEPT.contains(name)).collect();
        let mark = Update::new()
            .set(DELETED, AttributeValue::Bool(true))
            .set("z", number(nonce))
            .set("ttl", expiry(self.env().now(), MESSAGE_LIFE))
            .remove(&others);
        match self.update(id.as_str(), held_to(mark, item)).await? {
            Written::Applied(_) => {}
            Written::Refused(Some(now)) if now.number("z") == Some(nonce) => {}
            Written::Refused(_) => return Ok(false),
        }
        self.delete_beside(id).await?;
        Ok(true)
    }

    /// The error for a record that changes whenever it is to be deleted.
    pub(crate) fn not_deleted(id: &JobId) -> StoreError {
        contended(id.as_str())
    }

    /// The number of tries at a record that others change.
    pub(crate) const TRIES: usize = TRIES;

    async fn delete_beside(&self, id: &JobId) -> Result<(), StoreError> {
        let mut doomed = Vec::new();
        for pk in [keys::job_key(id.as_str()), logs::key(id)] {
            let query = self.client().await?.query().table_name(self.table()).consistent_read(true);
            let query = query
                .key_condition_expression("pk = :pk")
                .projection_expression("pk, sk")
                .expression_attribute_values(":pk", text(&pk));
            let mut pages = query.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| explain(&error, &self.doing("read beside", id.as_str())))?;
                let items = page.items.unwrap_or_default().into_iter().map(Item);
                let places = items.filter_map(|item| item.text("sk").map(ToOwned::to_owned));
                // An entry of the outbox is a job that is still to be enqueued.
                let places = places.filter(|sk| sk != RECORD && !sk.starts_with(OUTBOX));
                doomed.extend(places.map(|sk| (pk.clone(), sk)));
            }
        }
        let client = self.client().await?;
        let delete = |(pk, sk): (String, String)| async move {
            let delete = client.delete_item().table_name(self.table()).key("pk", text(pk)).key("sk", text(sk));
            let deleted = delete.send().await;
            deleted.map(|_| ()).map_err(|error| explain(&error, &self.doing("delete beside", id.as_str())))
        };
        stream::iter(doomed).map(delete).buffer_unordered(CALLS_AT_ONCE).try_collect().await
    }
}
