//! Calls in batches: at most ten entries and 1 MiB together (Amazon SQS Developer Guide, "Message quotas"). A
//! successful call may still fail single entries: those are tried again, and each answer is matched to its entry.

use std::{future::Future, ops::Range, time::Duration};

use aws_sdk_sqs::types::{BatchResultErrorEntry, MessageAttributeValue, SendMessageBatchRequestEntry};
use futures_util::{StreamExt, stream};
use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    message::MAX_MESSAGE_BYTES,
};

use super::Sqs;
use crate::{queues::is_fifo, sdk::explain};

/// Entries per call.
pub(crate) const MAX_ENTRIES: usize = 10;
/// Concurrent calls.
pub(crate) const CALLS_AT_ONCE: usize = 8;
/// Pauses before entries that failed in a successful call are tried again.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// One message to send.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) body: String,
    pub(crate) attributes: Vec<(String, MessageAttributeValue)>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
    pub(crate) delay_seconds: Option<i32>,
}

/// Why an entry of a batch was refused.
#[derive(Debug, Clone)]
pub(crate) enum Rejection {
    /// The entry itself is at fault, and would be refused again.
    Refused(String),
    /// It could not be done now, or not by this caller.
    Failed(StoreError),
}

impl Rejection {
    /// Converts it into an error.
    #[cfg(any(feature = "operator", feature = "poller"))]
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Refused(why) => StoreError::new(StoreErrorKind::Invalid, why),
            Self::Failed(error) => error,
        }
    }
}

/// The results of one call: answers by index, and the entries to try again.
pub(crate) struct Called {
    pub(crate) done: Vec<usize>,
    pub(crate) failed: Vec<BatchResultErrorEntry>,
}

impl Outgoing {
    /// Its size towards the limits: the body, and its attributes' names, types and values.
    pub(super) fn size(&self) -> usize {
        self.body.len() + self.attributes.iter().map(|(name, value)| attribute_size(name, value)).sum::<usize>()
    }

    fn entry(&self, id: usize) -> Result<SendMessageBatchRequestEntry, StoreError> {
        let attributes = (!self.attributes.is_empty()).then(|| self.attributes.iter().cloned().collect());
        SendMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .message_body(&self.body)
            .set_message_attributes(attributes)
            .set_message_group_id(self.group.clone())
            .set_message_deduplication_id(self.deduplication.clone())
            .set_delay_seconds(self.delay_seconds)
            .build()
            .map_err(incomplete)
    }
}

pub(super) fn attribute_size(name: &str, value: &MessageAttributeValue) -> usize {
    let text = value.string_value().map_or(0, str::len);
    let binary = value.binary_value().map_or(0, |blob| blob.as_ref().len());
    name.len() + value.data_type().len() + text + binary
}

/// The error of an SDK builder that misses a field. All required fields are set here.
pub(crate) fn incomplete(error: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, error)
}

/// Ranges of entries that fit into one call each.
pub(super) fn pack(sizes: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut calls: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0usize;
    for (index, size) in sizes.enumerate() {
        match calls.last_mut() {
            Some(call) if call.len() < MAX_ENTRIES && bytes + size <= MAX_MESSAGE_BYTES => {
                call.end = index + 1;
                bytes += size;
            }
            _ => {
                calls.push(index..index + 1);
                bytes = size;
            }
        }
    }
    calls
}

/// Makes a batch call for `entries` entries until each has an answer, or the pauses are used up. `call` gets the
/// entries that are still open.
pub(crate) async fn until_answered<F, Fut>(entries: usize, mut call: F) -> Vec<Result<(), Rejection>>
where
    F: FnMut(Vec<usize>) -> Fut,
    Fut: Future<Output = Result<Called, StoreError>>,
{
    let silent = || Rejection::Failed(StoreError::unavailable("SQS did not report the entry's result"));
    let mut answers: Vec<Result<(), Rejection>> = (0..entries).map(|_| Err(silent())).collect();
    let mut open: Vec<usize> = (0..entries).collect();
    let mut pauses = PAUSES.into_iter();
    loop {
        let called = match call(open.clone()).await {
            Ok(called) => called,
            Err(error) => {
                for index in open {
                    answers[index] = Err(Rejection::Failed(error.clone()));
                }
                return answers;
            }
        };
        // Only entries that were in the call: answers about others are ignored.
        for index in called.done.into_iter().filter(|index| open.contains(index)) {
            answers[index] = Ok(());
        }
        let mut again = Vec::new();
        for entry in called.failed {
            let Some(index) = entry.id.parse::<usize>().ok().filter(|index| open.contains(index)) else { continue };
            let said = match entry.message.as_deref() {
                Some(message) if !message.is_empty() => format!("{}: {}", entry.code, message.trim_end_matches('.')),
                _ => entry.code.clone(),
            };
            if entry.sender_fault {
                answers[index] = Err(Rejection::Refused(format!("SQS says {said}")));
            } else {
                answers[index] = Err(Rejection::Failed(StoreError::unavailable(format_args!("SQS says {said}"))));
                again.push(index);
            }
        }
        match pauses.next().filter(|_| !again.is_empty()) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return answers,
        }
        again.sort_unstable();
        open = again;
    }
}

impl Sqs {
    /// Sends messages to one queue, in as few calls as the limits allow. The answers are in the messages' order. On a
    /// FIFO queue the calls are made one after the other, elsewhere several concurrently.
    pub(crate) async fn send_batches(&self, url: &str, messages: &[Outgoing]) -> Vec<Result<(), Rejection>> {
        let calls = pack(messages.iter().map(Outgoing::size));
        let at_once = if is_fifo(url) { 1 } else { CALLS_AT_ONCE };
        let answers = stream::iter(calls.into_iter().map(|call| self.send_batch(url, &messages[call])));
        answers.buffered(at_once).flat_map(stream::iter).collect().await
    }

    async fn send_batch(&self, url: &str, messages: &[Outgoing]) -> Vec<Result<(), Rejection>> {
        until_answered(messages.len(), async |open: Vec<usize>| {
            let client = self.client().await?;
            let entries = open.iter().map(|&index| messages[index].entry(index)).collect::<Result<_, _>>()?;
            let sent = client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|error| explain(&error, &format!("send to {url}")))?;
            let done = sent.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
            Ok(Called { done, failed: sent.failed })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packing_keeps_order_and_limits(sizes in proptest::collection::vec(0usize..=MAX_MESSAGE_BYTES, 0..60)) {
            let calls = pack(sizes.iter().copied());
            prop_assert!(calls.iter().cloned().flatten().eq(0..sizes.len()));
            for call in calls {
                prop_assert!(call.len() <= MAX_ENTRIES);
                prop_assert!(sizes[call].iter().sum::<usize>() <= MAX_MESSAGE_BYTES);
            }
        }
    }

    #[test]
    fn a_thousand_small_messages_take_a_hundred_calls() {
        assert_eq!(pack(std::iter::repeat_n(200, 1000)).len(), 100);
    }

    fn failure(id: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder().id(id).code("Code").sender_fault(sender_fault).build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn only_entries_without_fault_are_retried() {
        let asked = RefCell::new(Vec::new());
        let answers = until_answered(4, async |open: Vec<usize>| {
            asked.borrow_mut().push(open.clone());
            Ok(match asked.borrow().len() {
                1 => Called {
                    done: vec![1, 77],
                    failed: vec![failure("0", false), failure("2", true), failure("x", false)],
                },
                _ => Called { done: open, failed: vec![] },
            })
        })
        .await;
        // Entry 3 was not answered: it may have been sent or not, and the caller gets an error.
        assert_eq!(asked.into_inner(), [vec![0, 1, 2, 3], vec![0]]);
        assert!(matches!(answers[..], [Ok(()), Ok(()), Err(Rejection::Refused(_)), Err(Rejection::Failed(_))]));
    }

    #[tokio::test(start_paused = true)]
    async fn retries_end() {
        let calls = RefCell::new(0);
        let answers = until_answered(1, async |_| {
            *calls.borrow_mut() += 1;
            Ok(Called { done: vec![], failed: vec![failure("0", false)] })
        })
        .await;
        assert_eq!(calls.into_inner(), 1 + PAUSES.len());
        assert!(matches!(&answers[..], [Err(Rejection::Failed(error))] if error.to_string().contains("Code")));
    }
}
