//! Calls to SQS with ten messages each.

use std::time::Duration;

use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName},
};
use futures_util::{StreamExt, stream};
use lamplighter::backend::StoreError;

use super::{DeadLetterQueue, received::Received};
use crate::{
    sdk::explain,
    sqs::{CALLS_AT_ONCE, Called, MAX_ENTRIES, Outgoing, Rejection, incomplete, until_answered},
};

/// The time for which received messages are hidden from other receivers. A process that dies here leaves dead letters
/// hidden for as long.
const HIDDEN: Duration = Duration::from_secs(300);
/// The wait of a receive. With a wait, SQS asks all of its servers, without one only some (Amazon SQS Developer Guide,
/// "Amazon SQS short and long polling").
const LOOKS: Duration = Duration::from_secs(1);

/// The answer to a receive.
pub(super) enum Answer {
    Received(Vec<Received>),
    /// So many dead letters are in flight that SQS returns no further one: 120,000 (Amazon SQS Developer Guide,
    /// "Message quotas").
    TooManyInFlight,
}

/// The failures of a batch.
#[derive(Debug, Default)]
pub(super) struct Undone {
    /// The indexes of the failed entries, each with the reason.
    pub(super) failed: Vec<(usize, StoreError)>,
    /// Why the whole batch failed: the next batches would fail too.
    pub(super) broken: Option<StoreError>,
}

impl Undone {
    fn of(answers: Vec<Result<(), Rejection>>) -> Self {
        let away = |answer: &Result<(), Rejection>| matches!(answer, Err(Rejection::Failed(_)));
        let all_away = !answers.is_empty() && answers.iter().all(away);
        let places = answers.into_iter().enumerate();
        let failed: Vec<_> = places.filter_map(|(place, answer)| Some((place, answer.err()?.into_error()))).collect();
        let broken = failed.first().filter(|_| all_away).map(|(_, error)| error.clone());
        Self { failed, broken }
    }

    /// Returns whether the entry at this index failed.
    pub(super) fn spares(&self, place: usize) -> bool {
        self.failed.iter().all(|(failed, _)| *failed != place)
    }
}

impl DeadLetterQueue<'_> {
    /// Receives up to `most` dead letters.
    pub(super) async fn receive(&self, most: usize) -> Result<Answer, StoreError> {
        let url = &self.dead_url;
        let secs = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let most = i32::try_from(most.clamp(1, MAX_ENTRIES)).unwrap_or(1);
        let received = self
            .access
            .sqs
            .client()
            .await?
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(most)
            .visibility_timeout(secs(HIDDEN))
            .wait_time_seconds(secs(LOOKS))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        match received {
            Ok(answer) => {
                let messages = answer.messages.unwrap_or_default().into_iter();
                Ok(Answer::Received(messages.filter_map(|message| Received::of(self.queue, message)).collect()))
            }
            Err(error) if error.code().is_some_and(|code| code.ends_with("OverLimit")) => Ok(Answer::TooManyInFlight),
            Err(error) => Err(explain(&error, &format!("receive from {url}"))),
        }
    }

    /// Sends dead letters to the queue. SQS has accepted those that are not among the failures.
    pub(super) async fn send_back(&self, dead_letters: &[&Received]) -> Undone {
        let outgoing = |one: &&Received| Outgoing {
            body: one.body(),
            attributes: one.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            group: one.dead_letter.group.clone(),
            // The dead letter's message id: SQS may remember the id of the first send for five minutes, and would then
            // drop the message. Sent twice because an answer was lost, it is still one message.
            deduplication: self.fifo.then(|| format!("redrive-{}", one.message_id)),
            delay_seconds: None,
        };
        let messages: Vec<_> = dead_letters.iter().map(outgoing).collect();
        Undone::of(self.access.sqs.send_batches(self.url, &messages).await)
    }

    /// Deletes received dead letters, at most ten.
    pub(super) async fn delete(&self, dead_letters: &[&Received]) -> Undone {
        let url = &self.dead_url;
        let answers = until_answered(dead_letters.len(), async |open: Vec<usize>| {
            let entry = |&place: &usize| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(&dead_letters[place].receipt).build().map_err(incomplete)
            };
            let entries = open.iter().map(entry).collect::<Result<_, _>>()?;
            let deleted =
                self.access.sqs.client().await?.delete_message_batch().queue_url(url).set_entries(Some(entries));
            let deleted = deleted.send().await.map_err(|error| explain(&error, &format!("delete from {url}")))?;
            let done = deleted.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
            Ok(Called { done, failed: deleted.failed })
        });
        Undone::of(answers.await)
    }

    /// Makes received dead letters visible again immediately. Those for which that fails become visible when their
    /// visibility timeout ends, so nothing is lost.
    pub(super) async fn put_back(&self, receipts: &[String]) {
        let url = &self.dead_url;
        let Ok(client) = self.access.sqs.client().await else { return };
        let calls = receipts.chunks(MAX_ENTRIES).map(|chunk| async move {
            let entries = chunk.iter().enumerate().filter_map(|(place, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipt).visibility_timeout(0).build().ok()
            });
            client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries.collect())).send().await
        });
        let calls: Vec<_> = calls.collect();
        let mut answers = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
        while let Some(answer) = answers.next().await {
            if let Err(error) = answer {
                tracing::warn!(url, %error, "some dead letters stay hidden for up to five minutes");
            }
        }
    }
}
