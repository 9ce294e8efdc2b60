//! An SQS batch: runs its jobs, and deletes, delays or dead-letters each message separately.
//!
//! Lambda deletes every message that is not reported as failed. So a message is left out of the report only when its
//! job is done, or when it is known to be in the dead-letter queue; on any error before that, it is reported.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use lamplighter::{
    backend::DeadLetterReason,
    host::{DeadLetterCause, Delivery, Disposition, MessageAction},
    record::ErrorText,
};
use tokio::time::Instant;

use super::{
    Host, Invocation,
    error::{InvocationError, Kind},
    record::Records,
    response::{ItemFailure, Response},
};
use crate::{
    queues::QueueArn,
    settlement::{self, Item},
};

/// The part of a message's 12 hours that a queue's batch window (at most 300 s) and the poller can use up before the
/// invocation begins.
const BEFORE_INVOCATION: Duration = Duration::from_secs(330);

pub(super) async fn serve(host: &Host, records: Records, invocation: &Invocation) -> Result<Response, InvocationError> {
    if let Some(source) = records.0.iter().find_map(|record| record.foreign_source.as_deref()) {
        let source: String = source.chars().take(40).collect();
        return Err(InvocationError::unknown_event(host.function(), &format!("records of {source:?}")));
    }
    let mut items = Batch::new(host, records);
    items.run(host, invocation).await;
    items.settle(host, invocation).await
}

struct Batch {
    items: Vec<Item>,
}

impl Batch {
    fn new(host: &Host, records: Records) -> Self {
        let received = Instant::now();
        let mut names: BTreeMap<Option<Arc<str>>, Arc<str>> = BTreeMap::new();
        let items = records.0.into_iter().map(|record| {
            let named = names.get(&record.queue_arn).cloned();
            let queue = named.unwrap_or_else(|| {
                let queue = queue_name(host, record.queue_arn.as_deref().unwrap_or_default());
                names.insert(record.queue_arn.clone(), queue.clone());
                queue
            });
            Item { record, queue, received, decided: None }
        });
        Self { items: items.collect() }
    }

    /// Runs the jobs, and keeps the decision about each.
    async fn run(&mut self, host: &Host, invocation: &Invocation) {
        let (deadline, of_invocation) = (invocation.answer_by(), invocation.trace());
        let mut deliveries = Vec::with_capacity(self.items.len());
        let has_limits = host.function().has_limits();
        // FIFO groups with a message that cannot run here: later messages of the group must not overtake it.
        let mut held: BTreeSet<(Arc<str>, Arc<str>)> = BTreeSet::new();
        for (index, item) in self.items.iter_mut().enumerate() {
            let record = &item.record;
            if record.is_empty() {
                tracing::warn!(index, "a record of the batch has no message and is skipped");
                item.decided = Some((MessageAction::Ack, Instant::now()));
                continue;
            }
            let is_fifo = || record.queue_arn.as_deref().and_then(QueueArn::parse).is_some_and(|arn| arn.is_fifo());
            // On a standard queue a group balances tenants, and orders nothing.
            let group: Option<Arc<str>> = record.system.group.as_deref().filter(|_| is_fifo()).map(Into::into);
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
            // The receipt returns with the answer. An index is unique here, for any event.
            let (receipt, body) = (index.to_string(), record.body.clone().unwrap_or_default());
            let mut delivery = Delivery::new(item.queue.clone(), message_id.clone(), receipt, body);
            delivery.receive_count = record.system.receives.unwrap_or(1).max(1);
            delivery.group = group;
            delivery.trace = record.system.trace.clone().or_else(|| of_invocation.clone());
            if has_limits {
                delivery.handle = record.receipt_handle.as_deref().map(Into::into);
            }
            deliveries.push(delivery);
        }
        let items = &mut self.items;
        host.worker()
            .process_each(deliveries, deadline, |settlements| {
                let now = Instant::now();
                for Disposition { receipt, action, done, .. } in settlements {
                    // What the store has hidden stays so.
                    let action = if done { MessageAction::Release(None) } else { action };
                    if let Some(item) = receipt.parse().ok().and_then(|index: usize| items.get_mut(index)) {
                        item.decided = Some((action, now));
                    }
                }
            })
            .await;
    }

    /// Sends the decisions to SQS, and returns the response.
    async fn settle(self, host: &Host, invocation: &Invocation) -> Result<Response, InvocationError> {
        let failed = settlement::settle(host, &self.items, BEFORE_INVOCATION, invocation.answer_by()).await;
        self.answer(host, failed)
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
