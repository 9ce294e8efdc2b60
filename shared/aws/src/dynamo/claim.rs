//! Claims: whether a delivery may run its job.
//!
//! The usual case is one update, for a job without a record or a queued one. If its condition fails, the item returned
//! with the refusal decides, and a second write is conditional on exactly that item.

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use lamplighter::{
    JobId, JobState, Timestamp, Tracking,
    backend::{Claim, ClaimRequest, DeadLetterReason, Membership, StoreError, StoreErrorKind},
    message::{Message, SharedMessage},
    record::ErrorText,
};

use super::{
    Counted, Dynamo, MESSAGE_LIFE, TRIES, Written, contended, expiry,
    expression::Update,
    item::{self, Item, number, text, time},
    keys::{Class, ListingKey},
    limits::{Wait, Woken},
    listed, pieces,
    unique::{NEW_EXPIRY, REPLACED},
};

/// The delay of a job that waits for another, or whose state was written by a newer version.
const NOT_OURS: Duration = Duration::from_secs(60);

/// A job may run this long before its time: clocks differ, and SQS counts in seconds.
const EARLY: Duration = Duration::from_secs(2);

/// The answer to a claim, with what else the record shows.
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    /// The state in which the job has ended, if others wait for it and have not been started yet.
    pub(crate) unfollowed: Option<JobState>,
    /// The batch that has counted the job's end.
    pub(crate) counted: Option<Counted>,
    /// The limit for which it is to wait, or has waited.
    pub(crate) wait: Option<Wait>,
    /// The jobs for which there is a place in a limit now.
    pub(crate) woken: Vec<Woken>,
}

impl Claimed {
    /// An answer from a record.
    pub(super) fn of(claim: Claim, item: &Item) -> Self {
        let unfollowed = (item.is_followed() && item.state().is_final()).then(|| item.state());
        let counted = item.counted().filter(|_| item.state().is_final());
        Self { claim, unfollowed, counted, wait: Wait::of(item), woken: Vec::new() }
    }

    /// An answer that says nothing about those that wait for the job.
    pub(crate) const fn alone(claim: Claim) -> Self {
        Self { claim, unfollowed: None, counted: None, wait: None, woken: Vec::new() }
    }
}

/// What to do about a job in its current state.
enum ClaimOutcome {
    Answer(Claim),
    /// It was granted before, and the answer was lost.
    Again,
    /// Write this, and return that answer if the write succeeds.
    Write(Update, Answer),
}

#[derive(Clone, Copy)]
pub(super) enum Answer {
    Run,
    Cancelled,
    Skipped,
    Exhausted(u32),
}

impl Answer {
    /// The state that is written.
    const fn state(self) -> JobState {
        match self {
            Self::Run => JobState::Running,
            Self::Cancelled | Self::Skipped => JobState::Cancelled,
            Self::Exhausted(_) => JobState::Failed,
        }
    }
}

/// The batch that is to count the job's end, if the claim ends it.
fn uncounted<'a>(request: &'a ClaimRequest, found: Option<&Item>) -> Option<&'a Membership> {
    request.message.batch.as_ref().filter(|_| found.is_none_or(|item| item.uncounted().is_some()))
}

/// The cancellation reason of a job that expired.
const EXPIRED: &str = "expired before it began";

impl Dynamo {
    pub(super) async fn claim_one(&self, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        match request.limits.is_empty() {
            true => self.claim_job(request).await,
            false => self.claim_within_limits(request).await,
        }
    }

    pub(super) async fn claim_job(&self, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let id = request.id.as_str();
        let mut found = None;
        for _ in 0..TRIES {
            let now = self.env().now();
            let (update, answer) = match &found {
                None => self.first(request, now),
                Some(item) => match decide(item, request, now) {
                    ClaimOutcome::Answer(claim @ Claim::Foreign(_)) => return Ok(Claimed::alone(claim)),
                    ClaimOutcome::Answer(claim) => return Ok(Claimed::of(claim, item)),
                    ClaimOutcome::Again => {
                        return Ok(Claimed::of(granted(item, self.replacement(item).await?), item));
                    }
                    ClaimOutcome::Write(update, answer) => (update, answer),
                },
            };
            let batch = uncounted(request, found.as_ref());
            match self.write_end(id, update.set("z", number(request.owner)), batch, answer.state()).await? {
                Written::Applied(item) => {
                    // A running job is written to only where its attempt is lost.
                    let lost = found.filter(|item| item.state() == JobState::Running);
                    self.count_failure(lost.and_then(|item| item.lost_failure()));
                    return self.answer(answer, &item, request).await;
                }
                Written::Refused(item) => found = item,
            }
        }
        Err(contended(id))
    }

    /// Cancels a job that has not begun.
    pub(super) async fn cancel_unbegun(
        &self,
        request: &ClaimRequest,
        reason: &str,
        answer: Answer,
    ) -> Result<Claimed, StoreError> {
        let id = request.id.as_str();
        let mut found: Option<Item> = None;
        for _ in 0..TRIES {
            let now = self.env().now();
            let update = match &found {
                None => announced_as_cancelled(request, reason, now),
                Some(item) if foreign(item, request).is_some() => {
                    return Ok(Claimed::alone(Claim::Foreign(item.owner_job())));
                }
                Some(item) if item.state().is_final() => return Ok(Claimed::of(Claim::Ended(item.state()), item)),
                Some(item) if item.state() == JobState::Running => {
                    return Ok(Claimed::alone(Claim::Busy(item.lease_until())));
                }
                Some(item) => cancelled(item, request, reason, now),
            };
            let batch = uncounted(request, found.as_ref());
            match self.write_end(id, update.set("z", number(request.owner)), batch, JobState::Cancelled).await? {
                Written::Applied(item) => return self.answer(answer, &item, request).await,
                Written::Refused(item) => found = item,
            }
        }
        Err(contended(id))
    }

    /// A job that is queued, or has no record.
    fn first(&self, request: &ClaimRequest, now: Timestamp) -> (Update, Answer) {
        if has_expired(request, now) {
            return (announced_as_cancelled(request, EXPIRED, now), Answer::Cancelled);
        }
        let mut update = announce(run(request, now), request, now)
            .set_if_absent("w", number(request.owner))
            .increment("n")
            .when(
                "attribute_not_exists(#pk) OR (#st = :queued AND #j = :j AND #q = :q AND #d <= :soon \
                 AND attribute_not_exists(#rp) AND (attribute_not_exists(#o) OR #o <> :o))",
            )
            .name("pk")
            .name(REPLACED)
            .value("queued", text(JobState::Queued.as_str()))
            .value("soon", time(now.saturating_add(EARLY).unwrap_or(now)));
        update = match request.tracking {
            Tracking::Lean => update,
            _ => {
                let listing_key = listing_key(request, now);
                update
                    .set_if_absent("lpk", text(listing_key.partition(Class::Open)))
                    .set_if_absent("lsk", text(listing_key.as_str()))
            }
        };
        (update, Answer::Run)
    }

    /// The message to run, if the job was given other arguments after its first message was sent.
    async fn replacement(&self, item: &Item) -> Result<Option<SharedMessage>, StoreError> {
        if !item.0.contains_key(REPLACED) {
            return Ok(None);
        }
        if let Some(message) = item.text("m").and_then(|text| text.parse::<Message>().ok()) {
            return Ok(Some(Arc::new(message)));
        }
        let id = JobId::new(item.id()).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        Ok(self.read_record(&id).await?.map(|record| record.message))
    }

    async fn answer(&self, answer: Answer, item: &Item, request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let claim = match answer {
            Answer::Run => {
                if item.number("w") == Some(request.owner) && item.pieces() > 0 {
                    let kept = pieces::kept(self.env().now(), request.retention.failed);
                    self.write_pieces(request.id.as_str(), request.owner, &request.message.to_json(), kept).await?;
                }
                granted(item, self.replacement(item).await?)
            }
            Answer::Cancelled => Claim::Ended(JobState::Cancelled),
            Answer::Skipped => Claim::Skipped,
            Answer::Exhausted(attempts) => Claim::Exhausted { attempts },
        };
        Ok(Claimed::of(claim, item))
    }
}

fn granted(item: &Item, message: Option<SharedMessage>) -> Claim {
    Claim::Run {
        message,
        attempt: item.attempt(),
        checkpoint: item.raw("k"),
        claim_hint: item.listing_key().map(|listing_key| listing_key.as_str().into()),
    }
}

fn has_expired(request: &ClaimRequest, now: Timestamp) -> bool {
    request.message.expires_at.is_some_and(|at| at <= now)
}

/// Whether the expiry of a job is over: its own, where the message may be an older one.
fn item_has_expired(item: &Item, request: &ClaimRequest, now: Timestamp) -> bool {
    match item.0.contains_key(REPLACED) {
        true => item.time(NEW_EXPIRY).is_some_and(|at| at <= now),
        false => has_expired(request, now),
    }
}

fn listing_key(request: &ClaimRequest, now: Timestamp) -> ListingKey {
    ListingKey::new(known_since(request, now), &request.id, &request.queue, &request.message.job)
}

fn known_since(request: &ClaimRequest, now: Timestamp) -> Timestamp {
    super::keys::known_since(&request.message, now)
}

/// The first fields of a new record.
fn announce(update: Update, request: &ClaimRequest, now: Timestamp) -> Update {
    let since = time(known_since(request, now));
    let update = update
        .set_if_absent("q", text(&*request.queue))
        .set_if_absent("j", text(&request.message.job))
        .set_if_absent("c", since.clone())
        .set_if_absent("d", since);
    let update = match &request.message.batch {
        Some(batch) => update.set_if_absent(item::BATCH, text(item::membership(batch))),
        None => update,
    };
    let (name, value) = pieces::message(&request.message.to_json());
    update.set_if_absent(name, value)
}

/// Begins an attempt.
fn run(request: &ClaimRequest, now: Timestamp) -> Update {
    let update = Update::new()
        .set("st", text(JobState::Running.as_str()))
        .set("o", number(request.owner))
        .set("l", time(request.lease_until))
        .set("h", text(&*request.host))
        .set("b", time(now))
        .set("mx", number(request.max_attempts))
        .set_some("e", item::keys(&request.limits))
        .set("rf", number(request.retention.failed.as_secs()));
    match request.tracking {
        Tracking::Lean => {
            update.set("lean", AttributeValue::Bool(true)).set("ttl", expiry(request.lease_until, MESSAGE_LIFE))
        }
        _ => update.remove(&["lean", "ttl"]),
    }
}

/// The owner of a record, if that is another job.
pub(super) fn foreign(item: &Item, request: &ClaimRequest) -> Option<Claim> {
    let owner = item.owner_job();
    (!owner.is(&request.message.job, &request.queue)).then_some(Claim::Foreign(owner))
}

/// Decides a claim from an existing record.
fn decide(item: &Item, request: &ClaimRequest, now: Timestamp) -> ClaimOutcome {
    let state = item.state();
    if item.has_expired(now) && state.is_final() {
        return ClaimOutcome::Write(replace(item, request, now), Answer::Run);
    }
    if let Some(claim) = foreign(item, request) {
        return ClaimOutcome::Answer(claim);
    }
    if item.known_state().is_none() {
        return ClaimOutcome::Answer(Claim::Busy(now.saturating_add(NOT_OURS).unwrap_or(now)));
    }
    match state {
        // A repeated claim, whose first answer was lost: the message still has to be dead-lettered.
        JobState::Failed if item.number("z") == Some(request.owner) => {
            ClaimOutcome::Answer(Claim::Exhausted { attempts: item.attempt() })
        }
        // This message failed, and is delivered again: it was not moved to the dead-letter queue.
        JobState::Failed if item.text("i").is_some_and(|message| message == request.message_id) => {
            let reason = item.text("v").and_then(DeadLetterReason::named).unwrap_or(DeadLetterReason::Failed);
            let error = item.history().pop().and_then(|attempt| attempt.error);
            let error = error.unwrap_or_else(|| ErrorText::new("its last attempt left no error"));
            ClaimOutcome::Answer(Claim::DeadLetterPending { reason, error, attempts: item.attempt() })
        }
        JobState::Succeeded | JobState::Failed | JobState::Cancelled => ClaimOutcome::Answer(Claim::Ended(state)),
        // Somebody has sent a message for a job that waits for others.
        JobState::Waiting => ClaimOutcome::Answer(Claim::Busy(now.saturating_add(NOT_OURS).unwrap_or(now))),
        // A repeated claim, whose first answer was lost.
        JobState::Running if item.owner() == request.owner => ClaimOutcome::Again,
        JobState::Running if item.lease_until() > now => ClaimOutcome::Answer(Claim::Busy(item.lease_until())),
        JobState::Running if item.attempt() >= request.max_attempts => {
            let update =
                dead_lettered(lost(Update::new(), item), &request.message_id, DeadLetterReason::AttemptsExhausted)
                    .set("st", text(JobState::Failed.as_str()))
                    .set("f", time(now))
                    .set("ttl", expiry(now, request.retention.failed));
            ClaimOutcome::Write(held_to(at(update, item, Class::Failed), item), Answer::Exhausted(item.attempt()))
        }
        JobState::Running => ClaimOutcome::Write(again(lost(run(request, now), item), item, request), Answer::Run),
        // This claim was granted under the same owner, and that attempt has been settled: it arrives after its caller has
        // gone on, and nobody would run what it is given.
        _ if item.number("o") == Some(request.owner) => {
            ClaimOutcome::Answer(Claim::Busy(item.time("d").unwrap_or(now).max(now)))
        }
        // The message is too early: a second message, or a delay that is too long for its queue.
        _ if item.time("d").is_some_and(|due_at| due_at > now.saturating_add(EARLY).unwrap_or(now)) => {
            ClaimOutcome::Answer(Claim::Busy(item.time("d").unwrap_or(now)))
        }
        _ if item.has_not_begun() && item_has_expired(item, request, now) => {
            ClaimOutcome::Write(cancelled(item, request, EXPIRED, now), Answer::Cancelled)
        }
        _ => ClaimOutcome::Write(again(run(request, now), item, request), Answer::Run),
    }
}

/// Marks a failure, and the message that has to be dead-lettered for it.
pub(super) fn dead_lettered(update: Update, message_id: &str, reason: DeadLetterReason) -> Update {
    match message_id {
        "" => update,
        id => update.set("i", text(id)).set("v", text(reason.as_str())),
    }
}

/// Creates the record of a job that waits before its first attempt.
pub(super) fn announced(request: &ClaimRequest, now: Timestamp) -> Update {
    let update = announce(Update::new(), request, now)
        .set("st", text(JobState::Queued.as_str()))
        .set("n", number(0))
        .when("attribute_not_exists(#pk)")
        .name("pk");
    match request.tracking {
        Tracking::Lean => update.set("lean", AttributeValue::Bool(true)).set("ttl", expiry(now, MESSAGE_LIFE)),
        _ => listed(update, Some((&listing_key(request, now), Class::Open))),
    }
}

/// Creates a record only to show that the job was cancelled.
fn announced_as_cancelled(request: &ClaimRequest, reason: &str, now: Timestamp) -> Update {
    let listing_key = listing_key(request, now);
    let update = announce(Update::new(), request, now)
        .set("st", text(JobState::Cancelled.as_str()))
        .set("n", number(0))
        .set("f", time(now))
        .set("y", text(reason))
        .set("ttl", expiry(now, request.retention.cancelled))
        .when("attribute_not_exists(#pk)")
        .name("pk");
    listed(update, Some((&listing_key, Class::Cancelled)))
}

fn cancelled(item: &Item, request: &ClaimRequest, reason: &str, now: Timestamp) -> Update {
    let update = Update::new()
        .set("st", text(JobState::Cancelled.as_str()))
        .set("f", time(now))
        .set("y", text(reason))
        .set("ttl", expiry(now, request.retention.cancelled));
    held_to(at(update, item, Class::Cancelled), item)
}

/// Begins the next attempt of a job with a record.
fn again(update: Update, item: &Item, request: &ClaimRequest) -> Update {
    let update = update.set("n", number(item.attempt() + 1));
    let update = match request.tracking {
        Tracking::Lean => listed(update, None),
        _ => at(update, item, Class::Open),
    };
    held_to(update, item)
}

/// Replaces an expired record with a new job under the same id.
fn replace(item: &Item, request: &ClaimRequest, now: Timestamp) -> Update {
    let listing_key = listing_key(request, now);
    let since = time(known_since(request, now));
    let (name, message) = pieces::message(&request.message.to_json());
    let other = if name == "m" { "mp" } else { "m" };
    let update = run(request, now)
        .set("n", number(1))
        .set("w", number(request.owner))
        .set("q", text(&*request.queue))
        .set("j", text(&request.message.job))
        .set("c", since.clone())
        .set("d", since)
        .set(name, message)
        .remove(&["x", "u", "p", "k", "f", item::COUNTED, item::DELETED, REPLACED, NEW_EXPIRY, other]);
    let update = match &request.message.batch {
        Some(batch) => update.set(item::BATCH, text(item::membership(batch))),
        None => update.remove(&[item::BATCH]),
    };
    let update = match request.tracking {
        Tracking::Lean => listed(update, None),
        _ => listed(update, Some((&listing_key, Class::Open))),
    };
    held_to(update, item)
}

fn lost(update: Update, item: &Item) -> Update {
    update.set("x", item.history_and(item.lost_attempt()))
}

fn at(update: Update, item: &Item, class: Class) -> Update {
    match item.listing_key() {
        Some(listing_key) => listed(update, Some((&listing_key, class))),
        None => update,
    }
}

/// Adds the condition that the item has not changed since it was read.
pub(super) fn held_to(update: Update, item: &Item) -> Update {
    match item.0.get("z") {
        Some(last) => update.when("#z = :last").name("z").value("last", last.clone()),
        None => update.when("attribute_not_exists(#z)").name("z"),
    }
}
