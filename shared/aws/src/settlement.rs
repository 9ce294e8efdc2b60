//! Acts on the worker's decisions about received messages: delays them, and moves dead letters to their queue.
//!
//! A message may be deleted only when its job is done, or when it is known to be in the dead-letter queue; on any error
//! before that, it is delivered again.

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
    backend::StoreError,
    host::{DeadLetterCause, MessageAction, body_as_sent},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    lambda::{Host, Record, send_later},
    queues::is_fifo,
    sqs::{CALLS_AT_ONCE, DeadMessage, MAX_ENTRIES, MAX_VISIBILITY, Postponed},
};

/// A received message, with the decision about it.
pub(crate) struct Item {
    pub(crate) record: Record,
    pub(crate) queue: Arc<str>,
    /// When it was received.
    pub(crate) received: Instant,
    /// The action, and when it was decided. Delays count from then.
    pub(crate) decided: Option<(MessageAction, Instant)>,
}

/// Messages whose decisions are carried out.
struct Settling<'a> {
    host: &'a Host,
    items: &'a [Item],
}

/// Carries out the decisions: delays messages, and moves dead letters to their queue. Returns the indexes of the
/// messages that must not be deleted: they are delivered again. `before` is the time that a message may have been
/// hidden before it arrived here.
pub(crate) async fn settle(host: &Host, items: &[Item], before: Duration, by: Instant) -> BTreeSet<usize> {
    let settling = Settling { host, items };
    let mut failed = BTreeSet::new();
    let mut postponed: BTreeMap<&str, Vec<(usize, Postponed)>> = BTreeMap::new();
    let mut dead_lettered: BTreeMap<&str, Vec<(usize, &DeadLetterCause)>> = BTreeMap::new();
    let mut far = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let queue = item.record.queue_arn.as_deref().unwrap_or_default();
        // Every delivery gets an answer; one without would not have run.
        let (action, at) =
            item.decided.as_ref().map_or((&MessageAction::Release(None), item.received), |(action, at)| (action, *at));
        let longest = || MAX_VISIBILITY.saturating_sub(before + item.received.elapsed());
        let delay = match action {
            MessageAction::Ack => continue,
            MessageAction::DeadLetter(cause) => {
                dead_lettered.entry(queue).or_default().push((index, cause));
                continue;
            }
            MessageAction::Retry(delay) if delay.saturating_sub(at.elapsed()) > longest() => {
                far.push((index, delay.saturating_sub(at.elapsed())));
                continue;
            }
            MessageAction::Retry(delay) | MessageAction::Release(Some(delay)) => {
                Some(delay.saturating_sub(at.elapsed()).min(longest()))
            }
            MessageAction::Release(None) => None,
        };
        failed.insert(index);
        if let (Some(delay), Some(receipt)) = (delay, item.record.receipt_handle.clone()) {
            postponed.entry(queue).or_default().push((index, Postponed { receipt, delay }));
        }
    }
    // Half of the time: messages that cannot be sent again are hidden for as long as their queue can.
    let now = Instant::now();
    let sent_by = now + by.saturating_duration_since(now) / 2;
    for (index, delay) in settling.delay(far, sent_by).await {
        // For as long as the queue can; then it is delivered and delayed again.
        let Item { record, received, .. } = &items[index];
        let longest = MAX_VISIBILITY.saturating_sub(before + received.elapsed());
        failed.insert(index);
        if let Some(receipt) = record.receipt_handle.clone() {
            let queue = record.queue_arn.as_deref().unwrap_or_default();
            postponed.entry(queue).or_default().push((index, Postponed { receipt, delay: delay.min(longest) }));
        }
    }
    let (mut postponing, mut dead_lettering) = (Vec::new(), Vec::new());
    for (queue, lot) in postponed {
        postponing.push(settling.postpone(queue, lot, by));
    }
    for (queue, lot) in dead_lettered {
        dead_lettering.push(settling.dead_letter(queue, lot, by));
    }
    let (_, dead_letter_pending) = join(join_all(postponing), join_all(dead_lettering)).await;
    failed.extend(dead_letter_pending.into_iter().flatten());
    failed
}

impl Settling<'_> {
    /// Sends messages whose next attempt is further away than their queue can hide them again later. Returns those for
    /// which that failed.
    async fn delay(&self, far: Vec<(usize, Duration)>, by: Instant) -> Vec<(usize, Duration)> {
        let sending = far.into_iter().map(async |(index, delay)| {
            let item = &self.items[index];
            let sent = timeout_at(by, send_later(self.host, &item.queue, &item.record, delay)).await;
            let late = || Err(StoreError::unavailable("there was no answer before the deadline"));
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

    /// Sets when messages become visible again. On an error, a message returns after its queue's visibility timeout.
    async fn postpone(&self, queue: &str, lot: Vec<(usize, Postponed)>, by: Instant) {
        let (indices, messages): (Vec<_>, Vec<_>) = lot.into_iter().unzip();
        let answers = match in_time(by, self.host.sqs().url_of(queue)).await {
            Ok(url) => {
                let chunks = messages.chunks(MAX_ENTRIES).map(|chunk| async {
                    let calls = async { Ok(self.host.sqs().postpone(&url, chunk).await) };
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
    async fn dead_letter(&self, queue: &str, lot: Vec<(usize, &DeadLetterCause)>, by: Instant) -> Vec<usize> {
        let indices: Vec<_> = lot.iter().map(|(index, _)| *index).collect();
        let answers = match in_time(by, self.host.sqs().dead_letter_url(queue)).await {
            Ok(url) => {
                // Dead letters of a FIFO queue keep their order.
                let at_once = if is_fifo(&url) { 1 } else { CALLS_AT_ONCE };
                let chunks = lot.chunks(MAX_ENTRIES).map(|chunk| async {
                    let dead_messages =
                        chunk.iter().map(|(index, cause)| self.items[*index].dead_message(self.host, cause)).collect();
                    let calls = async { Ok(self.host.sqs().dead_letter(&url, dead_messages).await) };
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
    let late = || Err(StoreError::unavailable("there was no answer before the deadline"));
    timeout_at(by, call).await.unwrap_or_else(|_| late())
}

/// The answers of a call, or its error for each entry.
fn each_of(count: usize, answers: Result<Vec<Result<(), StoreError>>, StoreError>) -> Vec<Result<(), StoreError>> {
    answers.unwrap_or_else(|error| vec![Err(error); count])
}
