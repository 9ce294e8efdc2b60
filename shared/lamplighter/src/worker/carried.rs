//! Settlements sent as messages, because the store could not take them when they were made.
//!
//! A job's next delivery must not overtake its settlement. If an attempt is followed by another delivery of its job (a
//! retry, a dead letter, a job that was released), its settlement is sent *on the job's own message*, which replaces
//! the one that was received: its receiver applies the settlement first and then claims the job. A success is followed
//! by nothing, so its settlement is sent in a message of its own, without the arguments.
//!
//! On a FIFO queue a new message would come behind its group, so there every settlement has a message of its own, and
//! the job's message stays where it is.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, timeout_at};

use super::{
    Inner, Report,
    bookkeeping::EndedAttempt,
    budget::{Budget, callee_deadline},
    intake::{Admitted, HeldGroups, Ready, back_off},
};
use crate::{
    delivery::{Delivery, MessageAction},
    id::JobId,
    message::{MAX_MESSAGE_BYTES, Message},
    options::Tracking,
    ports::{Completion, CompletionResult, Decision, EnqueueRequest, StoreError},
};

/// The job name of an internal message that carries only a settlement.
pub(crate) const SETTLE_JOB: &str = "lamplighter.settle";
/// The field of a job's message that carries the settlement of its last attempt.
const SETTLEMENT: &str = "lamplighter.settlement";
/// The prefix of the message groups of settlements on FIFO queues. Each settlement has its own group: it must wait
/// neither for the job that it settles nor for another one.
const GROUP: &str = "lamplighter.settle";
/// How long a job's message is hidden beyond its lease while its settlement is in another message: longer than that
/// settlement is delayed when the store is unavailable.
const BEHIND: Duration = Duration::from_secs(70);
/// The longest delay of a settlement.
const LONGEST_DELAY: Duration = Duration::from_secs(8);
/// How soon a settlement is tried again after the store was unavailable. The job itself then waits for its own time.
const SOON: Duration = Duration::from_secs(2);

/// A settlement that came as a message.
pub(super) struct Carried {
    settle: Completion,
    on: On,
}

/// The message that carried it.
enum On {
    /// A message of its own.
    Own(Delivery),
    /// The message of its job, which is claimed when the settlement is applied.
    Job(Box<Ready>),
}

/// A settlement to be sent as a message.
pub(super) struct Carrier {
    pub(super) submission: EnqueueRequest,
    /// The action on the message that was received, once this one is accepted.
    pub(super) action: MessageAction,
}

impl Carried {
    /// The job that it settles.
    pub(super) fn job(&self) -> &JobId {
        &self.settle.id
    }

    /// The settlement in a message of its own.
    pub(super) fn on_own_message(message: &Message, delivery: &Delivery) -> Result<Self, serde_json::Error> {
        let settle = serde_json::from_str(message.args.get())?;
        Ok(Self { settle, on: On::Own(delivery.clone()) })
    }

    /// The settlement of a job's last attempt, from `raw` on the job's message. `Err` returns the job: the settlement
    /// belongs to another one.
    pub(super) fn on_job(raw: &RawValue, mut ready: Box<Ready>) -> Result<Self, Box<Ready>> {
        match serde_json::from_str::<Completion>(raw.get()) {
            Ok(mut settle) if settle.id == ready.id => {
                ready.replaces = Some(settle.message_id.clone());
                settle.receipt.clone_from(&ready.delivery.receipt);
                Ok(Self { settle, on: On::Job(ready) })
            }
            _ => Err(ready),
        }
    }

    fn delivery(&self) -> &Delivery {
        match &self.on {
            On::Own(delivery) => delivery,
            On::Job(ready) => &ready.delivery,
        }
    }
}

/// Returns whether a message carries a settlement that has not been applied yet: it must reach a worker.
#[must_use]
pub fn carries_settlement(message: &Message) -> bool {
    message.job == SETTLE_JOB || message.extra.contains_key(SETTLEMENT)
}

/// Removes the settlement from a job's message.
pub(super) fn take_off(message: &mut Message) -> Option<Box<RawValue>> {
    message.extra.remove(SETTLEMENT)
}

/// A body as its sender sent it: without the settlement of its last attempt, which is of no use to readers of a dead
/// letter.
#[must_use]
pub fn body_as_sent(body: &str) -> Cow<'_, str> {
    if !body.contains(SETTLEMENT) {
        return Cow::Borrowed(body);
    }
    let Ok(mut message) = body.parse::<Message>() else { return Cow::Borrowed(body) };
    match take_off(&mut message) {
        Some(_) => Cow::Owned(message.to_json()),
        None => Cow::Borrowed(body),
    }
}

impl Inner {
    /// The message that carries the settlement of an attempt.
    pub(super) fn carrier(&self, ended: &EndedAttempt, budget: Budget) -> Option<Carrier> {
        // The host stood still. The job's message may have been delivered to another host, and is not this one's to replace,
        // though SQS may delete it under the receipt of an earlier receive (`DeleteMessage`, Amazon SQS API Reference).
        if Instant::now() > budget.deadline {
            let carrier = self.on_own_message(ended, budget)?;
            return Some(Carrier { action: MessageAction::Release(None), ..carrier });
        }
        self.on_next_message(ended).or_else(|| self.on_own_message(ended, budget))
    }

    /// On the job's own next message, if one follows and has room for it.
    fn on_next_message(&self, ended: &EndedAttempt) -> Option<Carrier> {
        let EndedAttempt { job, decision, .. } = ended;
        let delay = match decision {
            Decision::Succeeded { .. } => return None,
            Decision::Retry { delay, .. } | Decision::Released { delay } => *delay,
            Decision::Continued { .. } => Duration::ZERO,
            Decision::Failed { .. } => SOON,
        };
        // A job that was handed over directly has no message.
        if job.ready.delivery.group.is_some() || job.ready.delivery.receipt.is_empty() {
            return None;
        }
        let mut message = (*job.ready.message).clone();
        message.id = Some(job.ready.id.clone());
        message.extra.insert(SETTLEMENT.into(), to_raw_value(&ended.settle(&self.host)).ok()?);
        if message.to_json().len() > MAX_MESSAGE_BYTES {
            return None;
        }
        let due_at = self.env.now().saturating_add(delay.min(SOON)).ok();
        Some(Carrier { submission: self.submission(ended, message, due_at), action: MessageAction::Ack })
    }

    fn on_own_message(&self, ended: &EndedAttempt, budget: Budget) -> Option<Carrier> {
        let mut message = Message::new(SETTLE_JOB, to_raw_value(&ended.settle(&self.host)).ok()?).ok()?;
        message.enqueued_at = Some(self.env.now());
        let mut submission = self.submission(ended, message, None);
        if ended.job.ready.delivery.group.is_some() {
            submission.group = Some(format!("{GROUP}.{:016x}", self.env.random.next_u64()).into());
        }
        // The job's message stays on the queue, and must not be delivered first.
        let last = budget.lease_left() + BEHIND;
        let action = match &ended.action {
            MessageAction::Retry(delay) => MessageAction::Retry((*delay).max(last)),
            MessageAction::Release(delay) => MessageAction::Release(Some(delay.unwrap_or_default().max(last))),
            action => action.clone(),
        };
        Some(Carrier { submission, action })
    }

    fn submission(
        &self,
        ended: &EndedAttempt,
        mut message: Message,
        due_at: Option<jiff::Timestamp>,
    ) -> EnqueueRequest {
        // An id of its own: a queue that detects duplicates by id must not take it for the message that it follows.
        let id = JobId::generate(&self.env);
        message.id.get_or_insert_with(|| id.clone());
        EnqueueRequest {
            unique: None,
            nonce: None,
            id,
            queue: ended.job.ready.delivery.queue.clone(),
            message: Arc::new(message),
            due_at,
            group: None,
            tracking: Tracking::Untracked,
            caller_supplied_id: false,
        }
    }

    /// Applies settlements that came as messages, all in one call, and then claims the jobs whose messages carried
    /// them, and `behind`, which must not overtake them.
    pub(super) async fn apply(
        &self,
        carried: Vec<Carried>,
        behind: Vec<Ready>,
        held: HeldGroups,
        budget: Budget,
    ) -> Admitted {
        let mut admitted = Admitted::default();
        let answers = self.settle_carried(&carried, budget).await;
        let mut ready = Vec::new();
        for (carried, answer) in carried.into_iter().zip(answers) {
            let id = &carried.settle.id;
            let answer = match answer {
                Ok(answer) => answer,
                // No records are kept here any more.
                Err(_) if self.backend.store.is_none() && matches!(carried.on, On::Job(_)) => {
                    CompletionResult::Fenced(None)
                }
                Err(error) => {
                    tracing::warn!(%id, %error, "settlement from a message could not be written yet");
                    let delivery = carried.delivery();
                    let action = MessageAction::Release(Some(back_off(delivery.receive_count).min(LONGEST_DELAY)));
                    admitted.reports.push(Report::of(delivery, action));
                    continue;
                }
            };
            match carried.on {
                On::Own(delivery) => {
                    tracing::info!(%id, ?answer, "settlement from a message");
                    admitted.reports.push(Report::of(&delivery, MessageAction::Ack));
                }
                On::Job(job) => {
                    tracing::info!(%id, ?answer, "settlement from its job's next message");
                    match answer {
                        CompletionResult::Applied { message_done: true } => {
                            let mut report = Report::of(&job.delivery, MessageAction::Ack);
                            report.settlement.done = true;
                            admitted.reports.push(report);
                        }
                        _ => ready.push(*job),
                    }
                }
            }
        }
        ready.extend(behind);
        if !ready.is_empty() {
            admitted.append(self.claim(ready, held, budget).await);
        }
        admitted
    }

    async fn settle_carried(&self, carried: &[Carried], budget: Budget) -> Vec<Result<CompletionResult, StoreError>> {
        let missing = |text: &str| carried.iter().map(|_| Err(StoreError::unavailable(text))).collect();
        let Some(store) = &self.backend.store else { return missing("no table is configured here") };
        let by = budget.carried_by();
        let requests = carried.iter().map(|carried| carried.settle.clone()).collect();
        match timeout_at(by, store.settle(requests, callee_deadline(by))).await {
            Ok(mut answers) => {
                answers.resize_with(carried.len(), || Err(StoreError::unavailable("the store returned no answer")));
                answers
            }
            Err(_) => missing("the store did not answer in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn take_off_removes_a_settlement_of_any_job() {
        let mut message: Message = r#"{"job":"a","lamplighter.settlement":{"id":"other"}}"#.parse().unwrap();
        assert_eq!(take_off(&mut message).unwrap().get(), r#"{"id":"other"}"#);
        assert_eq!(message.to_json(), r#"{"job":"a","args":{}}"#, "it is not kept with the record");
    }

    #[test]
    fn body_as_sent_omits_the_settlement() {
        let carried = r#"{"job":"a","args":{"n":1.0},"lamplighter.settlement":{"id":"a"},"x":1}"#;
        assert_eq!(body_as_sent(carried), r#"{"job":"a","args":{"n":1.0},"x":1}"#);
        for body in [
            r#"{ "job":"a" }"#,
            "",
            r#"{"job":"a","args":{"text":"lamplighter.settlement"}}"#,
            "lamplighter.settlement",
        ] {
            assert_eq!(body_as_sent(body), body);
        }
    }
}
