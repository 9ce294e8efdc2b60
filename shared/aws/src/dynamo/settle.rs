//! Settlement: writes how attempts ended, each write fenced by its token.

use std::time::Duration;

use lamplighter::{
    JobState, Record, Tracking,
    backend::{Completion, CompletionResult, Decision, Failure, StoreError},
    record::{Attempt, AttemptOutcome, ErrorText, Fingerprint},
};

use super::{
    Counted, Dynamo, MESSAGE_LIFE, TRIES, Written,
    claim::dead_lettered,
    contended, expiry,
    expression::Update,
    item::{self, Item, json, number, text, time},
    job_data::held,
    keys::{Class, ListingKey},
    limits::Woken,
    listed,
};

/// The answer to a settlement.
pub(crate) struct Settled {
    pub(crate) result: CompletionResult,
    /// Whether other jobs wait for this one.
    pub(crate) is_followed: bool,
    /// The batch that has counted its end.
    pub(crate) counted: Option<Counted>,
    /// The jobs for which there is a place in a limit now.
    pub(crate) woken: Vec<Woken>,
}

impl Settled {
    fn fenced(state: Option<JobState>) -> Self {
        Self { result: CompletionResult::Fenced(state), is_followed: false, counted: None, woken: Vec::new() }
    }
}

impl Dynamo {
    pub(super) async fn settle_one(&self, settle: &Completion) -> Result<Settled, StoreError> {
        let id = settle.id.as_str();
        // Before the end, which is what readers wait for. No outcome depends on it.
        if let Err(error) = self.write_log(&settle.id, settle.token.owner, &settle.log).await {
            tracing::warn!(id, %error, lines = settle.log.len(), "the last lines of the job's log are lost");
        }
        let nonce = self.env().random.next_u64();
        let mut listing_key = settle.claim_hint.as_deref().and_then(ListingKey::parse);
        // The claim has no listing key: its settlement came as a message from another version or another store.
        if listing_key.is_none() {
            match self.read_item(id).await?.and_then(|item| item.listing_key()) {
                Some(known) => listing_key = Some(known),
                None => return Ok(Settled::fenced(None)),
            }
        }
        let failure = failure(settle, listing_key.as_ref());
        let fingerprint = failure.as_ref().map(|failure| failure.fingerprint);
        let mut known: Option<Item> = None;
        for _ in 0..TRIES {
            let update = self.end(settle, listing_key.as_ref(), known.as_ref(), fingerprint).set("z", number(nonce));
            // A job counts in its batch when it first ends.
            let batch = settle.batch.as_ref().filter(|_| known.as_ref().is_none_or(|item| item.uncounted().is_some()));
            match self.write_end(id, update, batch, settle.decision.state()).await? {
                Written::Applied(item) => {
                    self.count_failure(failure);
                    return Ok(self.applied(settle, &item).await);
                }
                Written::Refused(None) => return Ok(Settled::fenced(None)),
                // It was written before, and the answer was lost; or it was delivered twice.
                Written::Refused(Some(item)) if is_known(&item, settle) => {
                    self.count_failure(failure.filter(|_| item.number("z") == Some(nonce)));
                    return Ok(self.applied(settle, &item).await);
                }
                // The token is valid, so the history is full, or its batch has counted an end of it.
                Written::Refused(Some(item)) if holds(&item, settle) => known = Some(item),
                Written::Refused(Some(item)) => return Ok(Settled::fenced(Some(item.state()))),
            }
        }
        Err(contended(id))
    }

    /// Frees the attempt's places in limits.
    async fn applied(&self, settle: &Completion, item: &Item) -> Settled {
        let mut woken = Vec::new();
        for key in &settle.limits {
            woken.extend(self.free_place(key, settle.id.as_str(), settle.token.owner).await);
        }
        let result = CompletionResult::Applied { message_done: false };
        let counted = item.counted().filter(|_| settle.decision.state().is_final());
        Settled { result, is_followed: item.is_followed(), counted, woken }
    }

    /// The update for an attempt's end. With the item, its history is rewritten without the oldest attempt.
    fn end(
        &self,
        settle: &Completion,
        listing_key: Option<&ListingKey>,
        known: Option<&Item>,
        fingerprint: Option<Fingerprint>,
    ) -> Update {
        let lean = settle.tracking == Tracking::Lean;
        let update = held(settle.token).set_some("p", settle.progress.as_ref().and_then(json));
        let at = |class| listing_key.map(|listing_key| (listing_key, class));
        match &settle.decision {
            Decision::Succeeded { output, retention } => {
                let update = ended(update, settle, JobState::Succeeded, *retention)
                    .set_some("u", output.as_ref().map(|output| text(output.get())));
                let update = history(update, settle, AttemptOutcome::Succeeded, None, known);
                listed(update, at(Class::Succeeded).filter(|_| !lean))
            }
            Decision::Failed { outcome, error, retention, reason } => {
                let update = ended(update, settle, JobState::Failed, *retention);
                let update = dead_lettered(update, &settle.message_id, *reason);
                listed(history(update, settle, *outcome, Some((error, fingerprint)), known), at(Class::Failed))
            }
            Decision::Retry { outcome, error, delay } => {
                let update = waits(update, settle, *delay, lean).set("st", text(JobState::Retrying.as_str()));
                listed(history(update, settle, *outcome, Some((error, fingerprint)), known), at(Class::Retrying))
            }
            Decision::Continued { outcome, error, checkpoint } => {
                let update = waits(update, settle, Duration::ZERO, lean)
                    .set("st", text(JobState::Queued.as_str()))
                    .set("n", number(0_u32))
                    .set_some("k", checkpoint.as_ref().map(|checkpoint| text(checkpoint.get())));
                let update = history(update, settle, *outcome, error.as_ref().map(|error| (error, None)), known);
                listed(update, at(Class::Open).filter(|_| !lean))
            }
            Decision::Released { delay } => {
                let update = waits(update, settle, *delay, lean)
                    .set("st", text(JobState::Queued.as_str()))
                    .set("n", number(settle.token.attempt.saturating_sub(1)));
                listed(update, at(Class::Open).filter(|_| !lean))
            }
        }
    }
}

fn holds(item: &Item, settle: &Completion) -> bool {
    item.state() == JobState::Running && item.attempt() == settle.token.attempt && item.owner() == settle.token.owner
}

/// Returns whether this settlement was applied before: its attempt is in the history with this end, or the job has been
/// released already.
fn is_known(item: &Item, settle: &Completion) -> bool {
    let outcome = match &settle.decision {
        Decision::Succeeded { .. } => AttemptOutcome::Succeeded,
        Decision::Retry { outcome, .. } | Decision::Failed { outcome, .. } | Decision::Continued { outcome, .. } => {
            *outcome
        }
        Decision::Released { .. } => {
            return item.state() == JobState::Queued
                && item.owner() == settle.token.owner
                && item.attempt() == settle.token.attempt.saturating_sub(1);
        }
    };
    item.history().iter().any(|attempt| {
        attempt.number == settle.token.attempt
            && attempt.outcome == outcome
            && attempt.started_at == settle.started_at
            && attempt.ended_at == settle.ended_at
    })
}

/// The failure that counts in an error group.
fn failure(settle: &Completion, listing_key: Option<&ListingKey>) -> Option<Failure> {
    let (Decision::Retry { outcome, error, .. } | Decision::Failed { outcome, error, .. }) = &settle.decision else {
        return None;
    };
    let key = listing_key?;
    Some(Failure::new(&settle.id, (key.job(), key.queue()), (*outcome, settle.ended_at), error))
}

fn ended(update: Update, settle: &Completion, state: JobState, retention: Duration) -> Update {
    update
        .set("st", text(state.as_str()))
        .set("f", time(settle.ended_at))
        .set("ttl", expiry(settle.ended_at, retention))
}

/// Schedules the job's next attempt.
fn waits(update: Update, settle: &Completion, delay: Duration, lean: bool) -> Update {
    let due_at = settle.ended_at.saturating_add(delay).unwrap_or(lamplighter::Timestamp::MAX);
    update.set("d", time(due_at)).set_some("ttl", lean.then(|| expiry(due_at, MESSAGE_LIFE)))
}

fn history(
    update: Update,
    settle: &Completion,
    outcome: AttemptOutcome,
    error: Option<(&ErrorText, Option<Fingerprint>)>,
    known: Option<&Item>,
) -> Update {
    let ran = (settle.started_at, settle.ended_at);
    let attempt = Attempt::new(settle.token.attempt, &*settle.host, ran, outcome)
        .with_error(error.map(|(error, _)| error.clone()))
        .with_fingerprint(error.and_then(|(_, fingerprint)| fingerprint));
    match known {
        Some(item) => update.set("x", item.history_and(attempt)),
        None => update
            .append("x", item::attempt(&attempt))
            .when("attribute_not_exists(#x) OR size(#x) < :full")
            .value("full", number(Record::MAX_HISTORY)),
    }
}
