//! Calls to SQS for ten messages at a time.

use std::{collections::HashSet, time::Duration};

use aws_sdk_sqs::{
    error::ProvideErrorMetadata,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
        MessageSystemAttributeName, SendMessageBatchRequestEntry,
    },
};
use futures_util::{StreamExt, stream};
use lamplighter::{MAX_MESSAGE_BYTES, StoreError, StoreErrorKind};
use tokio::time::sleep;

use super::letter::Letter;
use crate::{operator::Operator, sdk::explain};

/// Messages a call (Amazon SQS Developer Guide, "Message quotas").
pub(super) const MAX_ENTRIES: usize = 10;
/// For how long what is received is hidden from others. Who dies here leaves letters hidden for so long.
const HIDDEN: Duration = Duration::from_secs(300);
/// How long SQS looks for a message. With a wait it asks all of its servers, without one only some (Amazon SQS Developer
/// Guide, "Amazon SQS short and long polling").
const LOOKS: Duration = Duration::from_secs(1);
/// Calls that end visibility timeouts, at once.
const CALLS_AT_ONCE: usize = 8;
/// Pauses before what failed inside a successful call is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];

/// What a receive gave.
pub(super) enum Received {
    Letters(Vec<Letter>),
    /// So many letters are in flight that SQS gives no further one: 120,000 (Amazon SQS Developer Guide, "Message
    /// quotas").
    TooManyInFlight,
}

/// What calls have not done.
#[derive(Debug, Default)]
pub(super) struct Undone {
    /// The places of those to which it was not done, and why.
    pub(super) failed: Vec<(usize, StoreError)>,
    /// Why a call failed as a whole: the next one would, too.
    pub(super) broken: Option<StoreError>,
}

impl Undone {
    /// Whether it was done to the one at this place.
    pub(super) fn spares(&self, place: usize) -> bool {
        self.failed.iter().all(|(failed, _)| *failed != place)
    }

    fn broken(places: impl IntoIterator<Item = usize>, error: StoreError) -> Self {
        let failed = places.into_iter().map(|place| (place, error.clone())).collect();
        Self { failed, broken: Some(error) }
    }
}

impl Operator {
    /// Receives up to `most` letters.
    pub(super) async fn receive(&self, url: &str, most: usize) -> Result<Received, StoreError> {
        let secs = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
        let most = i32::try_from(most.clamp(1, MAX_ENTRIES)).unwrap_or(1);
        let received = self
            .sqs()
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
                let letters = answer.messages.unwrap_or_default().into_iter().filter_map(Letter::of);
                Ok(Received::Letters(letters.collect()))
            }
            Err(error) if error.code().is_some_and(|code| code.ends_with("OverLimit")) => Ok(Received::TooManyInFlight),
            Err(error) => Err(explain(&error, &format!("receive from {url}"))),
        }
    }

    /// Sends letters to a queue, at most ten. Those that are not among the undone have been taken by SQS.
    pub(super) async fn send_back(&self, url: &str, letters: &[&Letter], fifo: bool) -> Undone {
        let mut undone = Undone::default();
        for (start, bodies) in pack(letters) {
            let places = start..start + bodies.len();
            match self.send_lot(url, letters, start, bodies, fifo).await {
                Ok(mut failed) => undone.failed.append(&mut failed),
                Err(error) => {
                    let Undone { mut failed, broken } = Undone::broken(places.start..letters.len(), error);
                    undone.failed.append(&mut failed);
                    return Undone { broken, ..undone };
                }
            }
        }
        undone
    }

    async fn send_lot(
        &self,
        url: &str,
        letters: &[&Letter],
        start: usize,
        bodies: Vec<String>,
        fifo: bool,
    ) -> Result<Vec<(usize, StoreError)>, StoreError> {
        let asked: HashSet<usize> = (start..start + bodies.len()).collect();
        let entries = (start..).zip(bodies).map(|(place, body)| {
            let letter = letters[place];
            let attributes = (!letter.attributes.is_empty()).then(|| letter.attributes.clone());
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(body)
                .set_message_attributes(attributes)
                .set_message_group_id(letter.letter.group.clone())
                // Of this letter: the id that it was sent with first may be remembered for five minutes, and then it
                // would be swallowed. Sent twice for want of an answer, it is one message.
                .set_message_deduplication_id(fifo.then(|| format!("redrive-{}", letter.letter.message_id)))
                .build()
                .map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let sent = self.sqs().await?.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let sent = sent.map_err(|error| explain(&error, &format!("send to {url}")))?;
        let taken = sent.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
        Ok(unanswered(&asked, &taken, &sent.failed))
    }

    /// Deletes received letters, at most ten, and tries again what fails.
    pub(super) async fn delete(&self, url: &str, letters: &[&Letter]) -> Undone {
        let mut open: HashSet<usize> = (0..letters.len()).collect();
        let mut pauses = PAUSES.into_iter();
        loop {
            let failed = match self.delete_lot(url, letters, &open).await {
                Ok(failed) => failed,
                Err(error) => return Undone::broken(open, error),
            };
            match pauses.next() {
                Some(pause) if !failed.is_empty() => sleep(pause).await,
                _ => return Undone { failed, broken: None },
            }
            open = failed.into_iter().map(|(place, _)| place).collect();
        }
    }

    async fn delete_lot(
        &self,
        url: &str,
        letters: &[&Letter],
        open: &HashSet<usize>,
    ) -> Result<Vec<(usize, StoreError)>, StoreError> {
        let entries = open.iter().map(|&place| {
            DeleteMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .receipt_handle(&letters[place].receipt)
                .build()
                .map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let deleted = self.sqs().await?.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let deleted = deleted.map_err(|error| explain(&error, &format!("delete from {url}")))?;
        let gone = deleted.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
        Ok(unanswered(open, &gone, &deleted.failed))
    }

    /// Makes received letters visible again at once. Those for which it fails come up by themselves when their visibility
    /// timeout ends, so nothing is lost.
    pub(super) async fn put_back(&self, url: &str, receipts: &[String]) {
        let Ok(client) = self.sqs().await else { return };
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

/// Letters in lots that one call takes: at most 1 MiB together. The bodies of each, and the place of its first.
fn pack(letters: &[&Letter]) -> Vec<(usize, Vec<String>)> {
    let mut lots: Vec<(usize, Vec<String>)> = Vec::new();
    let mut bytes = 0;
    for (place, letter) in letters.iter().enumerate() {
        let body = letter.body();
        let attributes = letter.attributes.iter().map(|(name, value)| {
            let text = value.string_value().map_or(0, str::len);
            let binary = value.binary_value().map_or(0, |blob| blob.as_ref().len());
            name.len() + value.data_type().len() + text + binary
        });
        let size = body.len() + attributes.sum::<usize>();
        match lots.last_mut() {
            Some((_, lot)) if bytes + size <= MAX_MESSAGE_BYTES => {
                lot.push(body);
                bytes += size;
            }
            _ => {
                lots.push((place, vec![body]));
                bytes = size;
            }
        }
    }
    lots
}

/// The entries of a call that were not done, each with why.
fn unanswered(
    asked: &HashSet<usize>,
    done: &HashSet<usize>,
    failed: &[BatchResultErrorEntry],
) -> Vec<(usize, StoreError)> {
    let mut open: Vec<_> = asked.difference(done).copied().collect();
    open.sort_unstable();
    let why = |place: usize| {
        let said = failed.iter().find(|entry| entry.id.parse() == Ok(place));
        let Some(said) = said else { return StoreError::unavailable("SQS did not say what became of it") };
        let text = match said.message.as_deref().filter(|message| !message.is_empty()) {
            Some(message) => format!("SQS says {}: {}", said.code, message.trim_end_matches('.')),
            None => format!("SQS says {}", said.code),
        };
        let kind = if said.sender_fault { StoreErrorKind::Invalid } else { StoreErrorKind::Unavailable };
        StoreError::new(kind, text)
    };
    open.into_iter().map(|place| (place, why(place))).collect()
}
