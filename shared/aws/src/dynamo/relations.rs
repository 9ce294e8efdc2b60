//! Jobs that wait for others to end.
//!
//! A job that waits has the state `waiting` and the ids of the jobs that it waits for in the set `af`. Beside the record
//! of each of those is an edge, under the sort key `AFTER#` and the id of the job that waits, and the record itself has
//! the mark `ch`. All of these are written in one transaction, on the condition that none of the others has ended.
//!
//! Whoever ends a job with the mark follows its edges: takes the job out of each set, puts the jobs whose set is empty on
//! their queues, cancels those that have waited for another outcome, and removes the mark at last. Each step may be done
//! twice, and a crash in the middle leaves the mark: the message of the ended job comes again then, or maintenance finds
//! the jobs that wait.

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, Put, TransactWriteItem, Update as TransactUpdate},
};
use lamplighter::{
    After, JobId, JobState, Retention, Tracking,
    backend::{EnqueueRequest, StoreError, StoreErrorKind},
    message::Outcome,
};

use super::{
    Dynamo, TRIES, Written, contended, expiry,
    expression::Update,
    insert::Inserted,
    item::{Item, number, text, time},
    keys::{self, Class, RECORD},
    listed,
    unique::Holder,
};
use crate::sdk::explain;

/// The prefix of the sort keys of edges.
const EDGE: &str = "AFTER#";
/// The set of jobs that a job waits for.
const AFTER: &str = "af";
/// The mark of a job that others wait for.
const FOLLOWED: &str = "ch";
/// Edges of one page.
const PAGE: i32 = 100;

/// How the jobs stand that a new job is to wait for.
enum Standing {
    Met,
    /// These have not ended.
    Open(Vec<After>),
    Unmet(String),
    Unknown(JobId),
}

/// The result of registering a job that is to wait, or to be unique.
pub(crate) enum Registered {
    /// It waits, is cancelled already, or existed before: there is nothing to send.
    Done(Inserted),
    /// The jobs that it was to wait for have ended as they must: it is an ordinary job.
    Ready,
    /// Its record is written, with this nonce, and it is to be sent.
    Go(u64),
    /// This job has its unique key.
    Taken(JobId, Option<JobState>),
    /// There is no record of this job, which it is to wait for.
    Unknown(JobId),
}

impl Item {
    /// Whether other jobs wait for this one.
    pub(super) fn is_followed(&self) -> bool {
        self.0.contains_key(FOLLOWED)
    }

    /// The ids of the jobs that it waits for.
    pub(super) fn waits_for(&self) -> Vec<String> {
        self.0.get(AFTER).and_then(|set| set.as_ss().ok()).cloned().unwrap_or_default()
    }
}

impl Dynamo {
    /// Registers a job that is to wait for others, or to be unique.
    pub(crate) async fn register(&self, submission: &EnqueueRequest) -> Result<Registered, StoreError> {
        let id = submission.id.as_str();
        for _ in 0..TRIES {
            let mut seen = None;
            if let Some(unique) = &submission.unique {
                match self.holder(submission, unique).await? {
                    Holder::Free(nonce) => seen = nonce,
                    // A job that is known already is a duplicate, whoever has its key.
                    Holder::Taken(other, state) => {
                        return Ok(match self.read_item(id).await? {
                            Some(item) => Registered::Done(Inserted::existing(&item, submission)),
                            None => Registered::Taken(other, state),
                        });
                    }
                }
            }
            let (state, open) = match self.standing(&submission.message.after).await? {
                Standing::Met if submission.unique.is_none() => return Ok(Registered::Ready),
                Standing::Met if submission.due_at.is_some() => (JobState::Scheduled, Vec::new()),
                Standing::Met => (JobState::Queued, Vec::new()),
                Standing::Unknown(other) => {
                    return Ok(match self.read_item(id).await? {
                        Some(item) => Registered::Done(Inserted::existing(&item, submission)),
                        None => Registered::Unknown(other),
                    });
                }
                Standing::Open(open) => (JobState::Waiting, open),
                Standing::Unmet(reason) => {
                    let inserted = self.insert_as(submission, JobState::Cancelled, Some(&reason)).await?;
                    return Ok(Registered::Done(inserted));
                }
            };
            // Without an answer, one of the others has just ended, or another job has taken the key.
            match self.write_together(submission, state, &open, seen).await? {
                Some(Inserted::New(nonce)) if state != JobState::Waiting => return Ok(Registered::Go(nonce)),
                Some(inserted) => return Ok(Registered::Done(inserted)),
                None => {}
            }
        }
        Err(contended(id))
    }

    async fn standing(&self, after: &[After]) -> Result<Standing, StoreError> {
        let ids: Vec<_> = after.iter().map(|after| after.id.as_str()).collect();
        let items = self.read_items(&ids, None).await?;
        let states: HashMap<_, _> = items.iter().map(|item| (item.id(), item.state())).collect();
        let mut open = Vec::new();
        for one in after {
            match states.get(one.id.as_str()) {
                None => return Ok(Standing::Unknown(one.id.clone())),
                Some(state) if !state.is_final() => open.push(one.clone()),
                Some(state) if one.on.is_met_by(*state) => {}
                Some(state) => return Ok(Standing::Unmet(After::unmet(one.id.as_str(), *state))),
            }
        }
        Ok(if open.is_empty() { Standing::Met } else { Standing::Open(open) })
    }

    /// Writes a job's record, the edges to the jobs that it waits for, and its unique key. `None`: one of the others has
    /// ended meanwhile, or the key is not as it was `seen`.
    async fn write_together(
        &self,
        submission: &EnqueueRequest,
        state: JobState,
        open: &[After],
        seen: Option<u64>,
    ) -> Result<Option<Inserted>, StoreError> {
        let id = &submission.id;
        let invalid = |error: &dyn std::fmt::Display| StoreError::new(StoreErrorKind::Invalid, error);
        let now = self.env().now();
        let nonce = self.env().random.next_u64();
        let mut record = self.prepare(submission, state, nonce).await?;
        if !open.is_empty() {
            record.insert(AFTER.into(), AttributeValue::Ss(open.iter().map(|after| after.id.to_string()).collect()));
        }
        let put = Put::builder()
            .table_name(self.table())
            .set_item(Some(record))
            .condition_expression("attribute_not_exists(pk) OR #ttl <= :now")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", number(now.as_second()))
            .build()
            .map_err(|error| invalid(&error))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        if let Some(unique) = &submission.unique {
            writes.push(self.take_key(submission, unique, (seen, nonce))?);
        }
        for after in open {
            let key = keys::job_key(after.id.as_str());
            let update = TransactUpdate::builder()
                .table_name(self.table())
                .key("pk", text(key.as_str()))
                .key("sk", text(RECORD))
                .update_expression("SET #ch = :true")
                .condition_expression("attribute_exists(pk) AND NOT #st IN (:succeeded, :failed, :cancelled)")
                .expression_attribute_names("#ch", FOLLOWED)
                .expression_attribute_names("#st", "st")
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .expression_attribute_values(":succeeded", text(JobState::Succeeded.as_str()))
                .expression_attribute_values(":failed", text(JobState::Failed.as_str()))
                .expression_attribute_values(":cancelled", text(JobState::Cancelled.as_str()))
                .build()
                .map_err(|error| invalid(&error))?;
            writes.push(TransactWriteItem::builder().update(update).build());
            let edge = Put::builder()
                .table_name(self.table())
                .item("pk", text(key))
                .item("sk", text(format!("{EDGE}{id}")))
                .item("on", text(name(after.on)))
                .build()
                .map_err(|error| invalid(&error))?;
            writes.push(TransactWriteItem::builder().put(edge).build());
        }
        // The token makes a repeated call, whose answer was lost, the same call.
        let call = self.client().await?.transact_write_items().set_transact_items(Some(writes));
        let Err(error) = call.client_request_token(format!("{nonce:016x}")).send().await else {
            return Ok(Some(Inserted::New(nonce)));
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(explain(&error, &self.doing("write", id.as_str())));
        };
        let failed = |code: Option<&str>| code.is_some_and(|code| code == "ConditionalCheckFailed");
        let mut reasons = cancelled.cancellation_reasons().iter().map(|reason| failed(reason.code()));
        if reasons.next() == Some(true) {
            let existing = self.read_item(id.as_str()).await?;
            return Ok(existing.map(|item| Inserted::existing(&item, submission)));
        }
        match reasons.any(|failed| failed) {
            true => Ok(None),
            // Another transaction was under way on one of the items.
            false => Err(explain(&error, &self.doing("write", id.as_str()))),
        }
    }

    /// The state of a job that has ended and whose edges have not been followed to their end.
    pub(crate) async fn unfollowed(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let item = self.read_item(id.as_str()).await?;
        Ok(item.filter(|item| item.is_followed() && item.state().is_final()).map(|item| item.state()))
    }

    /// Follows the edges of jobs that have ended, and of those that are cancelled by it. Returns the jobs to be sent.
    pub(crate) async fn follow(&self, id: &str, state: JobState) -> Result<Vec<EnqueueRequest>, StoreError> {
        let mut ready = Vec::new();
        let mut ended = VecDeque::from([(id.to_owned(), state)]);
        while let Some((parent, state)) = ended.pop_front() {
            let query = self.client().await?.query().table_name(self.table()).consistent_read(true).limit(PAGE);
            let query = query
                .key_condition_expression("pk = :pk AND begins_with(sk, :edge)")
                .expression_attribute_values(":pk", text(keys::job_key(&parent)))
                .expression_attribute_values(":edge", text(EDGE));
            let mut pages = query.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| explain(&error, &self.doing("read beside", &parent)))?;
                for edge in page.items.unwrap_or_default().into_iter().map(Item) {
                    let Some(child) = edge.text("sk").and_then(|sk| sk.strip_prefix(EDGE)) else { continue };
                    if outcome(edge.text("on")).is_met_by(state) {
                        ready.extend(self.has_met(child, &parent).await?);
                    } else if self.waited_in_vain(child, &After::unmet(&parent, state)).await? {
                        ended.push_back((child.to_owned(), JobState::Cancelled));
                    }
                }
            }
            self.has_followed(&parent).await?;
        }
        Ok(ready)
    }

    /// Takes a job out of the set of another one, and returns that one if the set is empty now.
    async fn has_met(&self, child: &str, parent: &str) -> Result<Option<EnqueueRequest>, StoreError> {
        let waits = Update::new().when("#st = :waiting").name("st").value("waiting", text(JobState::Waiting.as_str()));
        let met = waits.clone().delete(AFTER, AttributeValue::Ss(vec![parent.to_owned()]));
        let Written::Applied(item) = self.update(child, met).await? else { return Ok(None) };
        if !item.waits_for().is_empty() {
            return Ok(None);
        }
        let now = self.env().now();
        let due_at = item.time("d").filter(|due_at| *due_at > now);
        let state = if due_at.is_some() { JobState::Scheduled } else { JobState::Queued };
        let update = waits.set("st", text(state.as_str())).set("d", time(due_at.unwrap_or(now))).set("r", time(now));
        let class = item.listing_key();
        let update = listed(update, class.as_ref().map(|key| (key, Class::of(state))));
        let Written::Applied(item) = self.update(child, update).await? else { return Ok(None) };
        let id = JobId::new(child).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        let Some(record) = self.read_record(&id).await? else { return Ok(None) };
        let tracking = if item.is_lean() { Tracking::Lean } else { Tracking::Full };
        let mut request = self.submission(&id, record.queue, record.message, item.text("g"), tracking);
        if due_at.is_some() {
            // What delays a message knows it by its job.
            request.id = id;
            request.due_at = due_at;
        }
        Ok(Some(request))
    }

    /// Cancels a job that has waited for another outcome, and returns whether others wait for it.
    async fn waited_in_vain(&self, child: &str, reason: &str) -> Result<bool, StoreError> {
        let Some(item) = self.read_item(child).await? else { return Ok(false) };
        if item.state() != JobState::Waiting {
            // It was cancelled before, perhaps by this very walk, which a crash has ended.
            return Ok(item.state() == JobState::Cancelled && item.is_followed());
        }
        let now = self.env().now();
        let update = Update::new()
            .set("st", text(JobState::Cancelled.as_str()))
            .set("f", time(now))
            .set("y", text(reason))
            .set("ttl", expiry(now, Retention::default().cancelled))
            .remove(&[AFTER])
            .when("#st = :waiting")
            .value("waiting", text(JobState::Waiting.as_str()));
        let key = item.listing_key();
        let update = listed(update, key.as_ref().map(|key| (key, Class::Cancelled)));
        match self.update(child, update).await? {
            Written::Applied(item) => Ok(item.is_followed()),
            Written::Refused(_) => Ok(false),
        }
    }

    /// Removes the mark of a job whose edges have been followed. Its edges are kept until its record expires: a job that
    /// waits no more is not changed by them.
    async fn has_followed(&self, parent: &str) -> Result<(), StoreError> {
        let update = Update::new().remove(&[FOLLOWED]).when("attribute_exists(#pk)").name("pk");
        self.update(parent, update).await.map(drop)
    }

    /// Follows the jobs that a job waits for, where they have ended and nobody did. Returns the jobs to be sent.
    pub(crate) async fn look_after(&self, id: &str) -> Result<Vec<EnqueueRequest>, StoreError> {
        let Some(item) = self.read_item(id).await? else { return Ok(Vec::new()) };
        let others = item.waits_for();
        if item.state() != JobState::Waiting {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = others.iter().map(String::as_str).collect();
        let items = self.read_items(&ids, None).await?;
        let mut ready = Vec::new();
        for other in &others {
            match items.iter().find(|item| item.id() == other) {
                Some(item) if item.state().is_final() => ready.extend(self.follow(other, item.state()).await?),
                Some(_) => {}
                // Its record has expired: how it ended is not known any more.
                None => {
                    let reason = format!("the record of job {other}, which it waited for, is gone");
                    if self.waited_in_vain(id, &reason).await? {
                        ready.extend(self.follow(id, JobState::Cancelled).await?);
                    }
                }
            }
        }
        // A crash after the last of them.
        if others.is_empty() {
            ready.extend(self.has_met(id, "#").await?);
        }
        Ok(ready)
    }
}

const fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::End => "end",
    }
}

fn outcome(name: Option<&str>) -> Outcome {
    match name {
        Some("success") => Outcome::Success,
        Some("failure") => Outcome::Failure,
        _ => Outcome::End,
    }
}
