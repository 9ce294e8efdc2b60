//! An SQS batch: runs its jobs, and deletes, delays or dead-letters each message separately.
//!
//! Lambda deletes every message that is not reported as failed. So a message is left out of the report only when its
//! job is done, or when it is known to be in the dead-letter queue; on any error before that, it is reported.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    FutureExt, StreamExt,
    future::{join, join_all},
    stream,
};
use lamplighter::{
    backend::{DeadLetterReason, StoreError},
    host::{DeadLetterCause, Delivery, Disposition, MessageAction, body_as_sent},
    record::ErrorText,
};
use tokio::time::{Instant, timeout_at};

use super::{
    Host, Invocation,
    error::{InvocationError, Kind},
    long_retry,
    record::{Record, Records},
    response::{ItemFailure, Response},
};
use crate::{
    queues::{QueueArn, is_fifo},
    sqs::{CALLS_AT_ONCE, DeadMessage, MAX_ENTRIES, MAX_VISIBILITY, Postponed},
};

/// The part of a message's 12 hours that a queue's batch window (at most 300 s) and the poller can use up before the
/// invocation begins.
const BEFORE_INVOCATION: Duration = Duration::from_secs(330);

/// A record, with the decision about it.
struct Item {
    record: Record,
    queue: Arc<str>,
    /// The action, and when it was decided. Delays count from then.
    decided: Option<(MessageAction, Instant)>,
}

pub(super) async fn serve(host: &Host, records: Records, invocation: &Invocation) -> Result<Response, InvocationError> {
    let began = Instant::now();
    if let Some(source) = records.0.iter().find_map(|record| record.event_source.as_deref().filter(|s| *s != "aws:sqs"))
    {
        let source: String = source.chars().take(40).collect();
        return Err(InvocationError::unknown_event(host.function(), &format!("records of {source:?}")));
    }
    let mut items = Batch::new(host, records);
    items.run(host, invocation.answer_by()).await;
    items.settle(host, began, invocation).await
}

struct Batch {
    items: Vec<Item>,
}

impl Batch {
    fn new(host: &Host, records: Records) -> Self {
        let mut names: BTreeMap<String, Arc<str>> = BTreeMap::new();
        let items = records.0.into_iter().map(|record| {
            let arn = record.queue_arn.clone().unwrap_or_default();
            let queue = names.entry(arn).or_insert_with_key(|arn| queue_name(host, arn)).clone();
            Item { record, queue, decided: None }
        });
        Self { items: items.collect() }
    }

    /// Runs the jobs, and keeps the decision about each.
    async fn run(&mut self, host: &Host, deadline: Instant) {
        let mut deliveries = Vec::with_capacity(self.items.len());
        // FIFO groups with a message that cannot run here: later messages of the group must not overtake it.
        let mut held: BTreeSet<(Arc<str>, Arc<str>)> = BTreeSet::new();
        for (index, item) in self.items.iter_mut().enumerate() {
            let record = &item.record;
            if record.is_empty() {
                tracing::warn!(index, "a record of the batch has no message and is skipped");
                item.decided = Some((MessageAction::Ack, Instant::now()));
                continue;
            }
            let fifo = record.queue_arn.as_deref().and_then(QueueArn::parse).is_some_and(|arn| arn.is_fifo());
            // On a standard queue a group balances tenants, and orders nothing.
            let group: Option<Arc<str>> = record.system.group.as_deref().filter(|_| fifo).map(Into::into);
            let lane = group.clone().map(|group| (item.queue.clone(), group));
            let Some(message_id) = &record.message_id else {
                // Its failure could not be reported, so it is not run.
                item.decided = Some((MessageAction::DeadLetter(nameless()), Instant::now()));
                held.extend(lane);
                continue;
            };
            if lane.is_some_and(|lane| held.contains(&lane)) {
                item.decided = Some((MessageAction::Release(Some(Duration::ZERO)), Instant::now()));
                continue;
            }
            // The receipt comes back with the answer. An index is unique here, whatever the event holds.
            let (receipt, body) = (index.to_string(), record.body.clone().unwrap_or_default());
            let mut delivery = Delivery::new(item.queue.clone(), message_id.clone(), receipt, body);
            delivery.receive_count = record.system.receives.unwrap_or(1).max(1);
            delivery.group = group;
            deliveries.push(delivery);
        }
        let items = &mut self.items;
        host.worker()
            .process_each(deliveries, deadline, |settlements| {
                let now = Instant::now();
                for Disposition { receipt, action, .. } in settlements {
                    if let Some(item) = receipt.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                        item.decided = Some((action, now));
                    }
                }
            })
            .await;
    }

    /// Sends the decisions to SQS, and returns the response.
    async fn settle(self, host: &Host, began: Instant, invocation: &Invocation) -> Result<Response, InvocationError> {
        let longest = MAX_VISIBILITY.saturating_sub(BEFORE_INVOCATION + began.elapsed());
        let mut failed = BTreeSet::new();
        let mut postponed: BTreeMap<&str, Vec<(usize, Postponed)>> = BTreeMap::new();
        let mut dead_lettered: BTreeMap<&str, Vec<(usize, &DeadLetterCause)>> = BTreeMap::new();
        let mut far = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let queue = item.record.queue_arn.as_deref().unwrap_or_default();
            // Every delivery gets an answer; one without would not have run.
            let (action, at) =
                item.decided.as_ref().map_or((&MessageAction::Release(None), began), |(action, at)| (action, *at));
            let delay = match action {
                MessageAction::Ack => continue,
                MessageAction::DeadLetter(cause) => {
                    dead_lettered.entry(queue).or_default().push((index, cause));
                    continue;
                }
                MessageAction::Retry(delay) if delay.saturating_sub(at.elapsed()) > longest => {
                    far.push((index, delay.saturating_sub(at.elapsed())));
                    continue;
                }
                MessageAction::Retry(delay) | MessageAction::Release(Some(delay)) => {
                    Some(delay.saturating_sub(at.elapsed()).min(longest))
                }
                MessageAction::Release(None) => None,
            };
            failed.insert(index);
            if let (Some(delay), Some(receipt)) = (delay, item.record.receipt_handle.clone()) {
                postponed.entry(queue).or_default().push((index, Postponed { receipt, delay }));
            }
        }
        let by = invocation.answer_by();
        // Half of the time: messages that cannot be sent again are hidden for as long as their queue can.
        let now = Instant::now();
        let sent_by = now + by.saturating_duration_since(now) / 2;
        for (index, delay) in self.delay(host, far, sent_by).await {
            // As long as the queue can; then it comes again, and is delayed again.
            let record = &self.items[index].record;
            failed.insert(index);
            if let Some(receipt) = record.receipt_handle.clone() {
                let queue = record.queue_arn.as_deref().unwrap_or_default();
                postponed.entry(queue).or_default().push((index, Postponed { receipt, delay: delay.min(longest) }));
            }
        }
        let (mut postponing, mut dead_lettering) = (Vec::new(), Vec::new());
        for (queue, lot) in postponed {
            postponing.push(self.postpone(host, queue, lot, by));
        }
        for (queue, lot) in dead_lettered {
            dead_lettering.push(self.dead_letter(host, queue, lot, by));
        }
        let (_, dead_letter_pending) = join(join_all(postponing), join_all(dead_lettering)).await;
        failed.extend(dead_letter_pending.into_iter().flatten());
        self.answer(host, failed)
    }

    /// Sends messages whose next attempt is further away than their queue can hide them again later. Returns those for
    /// which that failed.
    async fn delay(&self, host: &Host, far: Vec<(usize, Duration)>, by: Instant) -> Vec<(usize, Duration)> {
        let sending = far.into_iter().map(async |(index, delay)| {
            let item = &self.items[index];
            let sent = timeout_at(by, long_retry::send_later(host, &item.queue, &item.record, delay)).await;
            let late = || Err(StoreError::unavailable("there was no answer before the invocation's deadline"));
            match sent.unwrap_or_else(|_| late()) {
                Ok(()) => None,
                Err(error) => {
                    let message_id = item.record.message_id.as_deref().unwrap_or_default();
                    tracing::warn!(queue = &*item.queue, message_id, %error, "its next attempt could not be scheduled");
                    Some((index, delay))
                }
            }
        });
        let sending: Vec<_> = sending.collect();
        join_all(sending).await.into_iter().flatten().collect()
    }

    fn answer(&self, host: &Host, failed: BTreeSet<usize>) -> Result<Response, InvocationError> {
        let mut seen = BTreeSet::new();
        let mut failures = Vec::with_capacity(failed.len());
        for index in failed {
            match &self.items[index].record.message_id {
                Some(id) if seen.insert(id.as_str()) => failures.push(ItemFailure { item_identifier: id.clone() }),
                Some(_) => {}
                None => {
                    let text = format!(
                        "record {index} of the batch for function {} has no messageId and was not dead-lettered: the \
                         whole batch is failed, since no shorter answer would keep that record",
                        host.function().name()
                    );
                    return Err(InvocationError::new(Kind::Unreportable, text));
                }
            }
        }
        Ok(Response::Batch { failures })
    }

    /// Sets when messages come back. On an error, a message comes back after its queue's visibility timeout.
    async fn postpone(&self, host: &Host, queue: &str, lot: Vec<(usize, Postponed)>, by: Instant) {
        let (indices, messages): (Vec<_>, Vec<_>) = lot.into_iter().unzip();
        let answers = match in_time(by, host.sqs().url_of(queue)).await {
            Ok(url) => {
                let chunks = messages.chunks(MAX_ENTRIES).map(|chunk| async {
                    let calls = async { Ok(host.sqs().postpone(&url, chunk).await) };
                    each_of(chunk.len(), in_time(by, calls).await)
                });
                let chunks: Vec<_> = chunks.map(FutureExt::boxed).collect();
                stream::iter(chunks).buffered(CALLS_AT_ONCE).flat_map(stream::iter).collect().await
            }
            Err(error) => vec![Err(error); indices.len()],
        };
        for (index, error) in
            indices.into_iter().zip(answers).filter_map(|(index, answer)| Some((index, answer.err()?)))
        {
            let Item { record, queue, .. } = &self.items[index];
            let message_id = record.message_id.as_deref().unwrap_or_default();
            tracing::warn!(
                queue = &**queue,
                message_id,
                %error,
                "the message's delay could not be set; it comes back when its visibility timeout ends"
            );
        }
    }

    /// Moves messages to their dead-letter queue. Returns those that are not known to be there.
    async fn dead_letter(
        &self,
        host: &Host,
        queue: &str,
        lot: Vec<(usize, &DeadLetterCause)>,
        by: Instant,
    ) -> Vec<usize> {
        let indices: Vec<_> = lot.iter().map(|(index, _)| *index).collect();
        let answers = match in_time(by, host.sqs().dead_letter_url(queue)).await {
            Ok(url) => {
                // Dead letters of a FIFO queue keep their order.
                let at_once = if is_fifo(&url) { 1 } else { CALLS_AT_ONCE };
                let chunks = lot.chunks(MAX_ENTRIES).map(|chunk| async {
                    let dead_messages =
                        chunk.iter().map(|(index, cause)| self.items[*index].dead_message(host, cause)).collect();
                    let calls = async { Ok(host.sqs().dead_letter(&url, dead_messages).await) };
                    each_of(chunk.len(), in_time(by, calls).await)
                });
                let chunks: Vec<_> = chunks.map(FutureExt::boxed).collect();
                stream::iter(chunks).buffered(at_once).flat_map(stream::iter).collect().await
            }
            Err(error) => vec![Err(error); indices.len()],
        };
        let dead_letter_pending =
            indices.into_iter().zip(answers).filter_map(|(index, answer)| Some((index, answer.err()?)));
        dead_letter_pending
            .map(|(index, error)| {
                let Item { record, queue, .. } = &self.items[index];
                let message_id = record.message_id.as_deref().unwrap_or_default();
                tracing::error!(
                    queue = &**queue,
                    message_id,
                    %error,
                    "not moved to the dead-letter queue; the message comes back when its visibility timeout ends"
                );
                index
            })
            .collect()
    }
}

impl Item {
    fn dead_message(&self, host: &Host, cause: &DeadLetterCause) -> DeadMessage {
        let record = &self.record;
        DeadMessage {
            body: body_as_sent(record.body.as_deref().unwrap_or_default()).into_owned(),
            cause: cause.clone(),
            queue: self.queue.to_string(),
            function: host.function().name(),
            message_id: record.message_id.clone(),
            receives: record.system.receives.unwrap_or(1),
            group: record.system.group.clone(),
            attributes: record.message_attributes(),
        }
    }
}

/// A call's result, if it ends in time.
async fn in_time<T>(by: Instant, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || Err(StoreError::unavailable("there was no answer before the invocation's deadline"));
    timeout_at(by, call).await.unwrap_or_else(|_| late())
}

/// The answers of a call, or its error for each entry.
fn each_of(count: usize, answers: Result<Vec<Result<(), StoreError>>, StoreError>) -> Vec<Result<(), StoreError>> {
    answers.unwrap_or_else(|error| vec![Err(error); count])
}

fn queue_name(host: &Host, arn: &str) -> Arc<str> {
    let known = host.function().queues();
    let mut names = known.iter().map(|queue| queue.name());
    match QueueArn::parse(arn) {
        Some(arn) => host.sqs().queues().name_of(&arn, names),
        // An event written by hand: most functions have one queue.
        None => names.next().filter(|_| known.len() == 1).unwrap_or("unknown").into(),
    }
}

fn nameless() -> DeadLetterCause {
    let error = "the record has no messageId, so it could not be returned to the queue if its job failed";
    DeadLetterCause { reason: DeadLetterReason::BadMessage, error: ErrorText::new(error) }
}
