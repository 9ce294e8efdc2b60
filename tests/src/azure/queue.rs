//! A queue of Azure Storage, as the Functions host and tests use it.

use std::time::Duration;

use azure_storage_queue::{
    QueueClient,
    models::{
        QueueClientPeekMessagesOptions, QueueClientReceiveMessagesOptions, QueueClientSendMessageOptions, QueueMessage,
        ReceivedMessage,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::error::{Error, Result};

/// The maximum number of messages per call.
const AT_ONCE: i32 = 32;

/// A queue.
#[derive(Clone)]
pub struct StorageQueue {
    name: String,
    client: std::sync::Arc<QueueClient>,
}

/// A received message, hidden from other receivers for a time.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) text: String,
    pub(super) receives: u32,
    /// Changes with each renewal.
    pub(super) receipt: String,
}

/// A message of a poison queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The reason; `None` where the host moved the message by itself.
    pub reason: Option<String>,
    /// The error.
    pub error: String,
    /// The body before it was dead-lettered.
    pub body: String,
    /// The body as it is now.
    pub text: String,
}

impl StorageQueue {
    pub(super) fn new(name: &str, client: QueueClient) -> Self {
        Self { name: name.to_owned(), client: std::sync::Arc::new(client) }
    }

    fn failed(&self, doing: &str) -> impl FnOnce(azure_core::Error) -> Error {
        let what = format!("{doing} queue {}", self.name);
        move |error| Error::Queue { what, reason: error.to_string() }
    }

    /// Sends a message with this body.
    ///
    /// # Errors
    /// When the service refuses it.
    pub async fn send(&self, body: &str) -> Result<()> {
        self.send_text(&STANDARD.encode(body)).await
    }

    pub(super) async fn send_text(&self, text: &str) -> Result<()> {
        let message = QueueMessage { message_text: Some(text.to_owned()) };
        let message = message.try_into().map_err(self.failed("writing to"))?;
        let options = QueueClientSendMessageOptions { message_time_to_live: Some(-1), ..Default::default() };
        self.client.send_message(message, Some(options)).await.map_err(self.failed("sending to"))?;
        Ok(())
    }

    /// Returns the bodies of the messages that are not hidden.
    ///
    /// # Errors
    /// When the service refuses it.
    pub async fn bodies(&self) -> Result<Vec<String>> {
        let options = QueueClientPeekMessagesOptions { number_of_messages: Some(AT_ONCE), ..Default::default() };
        let answer = self.client.peek_messages(Some(options)).await.map_err(self.failed("peeking into"))?;
        let messages = answer.into_model().map_err(self.failed("reading"))?.items.unwrap_or_default();
        messages.into_iter().map(|message| decode(&message.message_text.unwrap_or_default())).collect()
    }

    /// Returns the number of messages, hidden ones included.
    ///
    /// # Errors
    /// When the service refuses it.
    pub async fn count(&self) -> Result<u32> {
        let answer = self.client.get_properties(None).await.map_err(self.failed("measuring"))?;
        let count = answer.headers().get_optional_str(&"x-ms-approximate-messages-count".into()).map(str::to_owned);
        count.and_then(|count| count.parse().ok()).ok_or_else(|| Error::Queue {
            what: format!("measuring queue {}", self.name),
            reason: "the answer has no count".into(),
        })
    }

    /// Returns the dead letters of a poison queue.
    ///
    /// # Errors
    /// When the service refuses it.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        Ok(self.bodies().await?.into_iter().map(DeadLetter::read).collect())
    }

    pub(super) async fn receive(&self, most: usize, hidden: Duration) -> Result<Vec<Message>> {
        let options = QueueClientReceiveMessagesOptions {
            number_of_messages: i32::try_from(most).ok().map(|most| most.clamp(1, AT_ONCE)),
            visibility_timeout: Some(seconds(hidden)),
            ..Default::default()
        };
        let answer = self.client.receive_messages(Some(options)).await.map_err(self.failed("receiving from"))?;
        let received = answer.into_model().map_err(self.failed("reading"))?.items.unwrap_or_default();
        Ok(received.into_iter().map(Message::from).collect())
    }

    pub(super) async fn delete(&self, message: &Message) -> Result<()> {
        let deleted = self.client.delete_message(&message.id, &message.receipt, None).await;
        deleted.map(drop).map_err(self.failed("deleting from"))
    }

    /// Hides a received message for this time from now on.
    pub(super) async fn hide(&self, message: &mut Message, hidden: Duration) -> Result<()> {
        let updated = self.client.update_message(&message.id, &message.receipt, seconds(hidden), None).await;
        let updated = updated.map_err(self.failed("hiding a message of"))?;
        if let Some(receipt) = updated.headers().get_optional_str(&"x-ms-popreceipt".into()) {
            receipt.clone_into(&mut message.receipt);
        }
        Ok(())
    }
}

impl From<ReceivedMessage> for Message {
    fn from(message: ReceivedMessage) -> Self {
        Self {
            id: message.message_id.unwrap_or_default(),
            text: message.message_text.unwrap_or_default(),
            receives: message.dequeue_count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default(),
            receipt: message.pop_receipt.unwrap_or_default(),
        }
    }
}

impl DeadLetter {
    fn read(text: String) -> Self {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(rename = "lamplighter.dead_letter")]
            about: About,
            body: String,
        }
        #[derive(Deserialize)]
        struct About {
            reason: String,
            error: String,
        }
        match serde_json::from_str::<Envelope>(&text) {
            Ok(Envelope { about, body }) => Self { reason: Some(about.reason), error: about.error, body, text },
            Err(_) => Self { reason: None, error: String::new(), body: text.clone(), text },
        }
    }
}

/// Returns a message's body, which the queue trigger decodes (`messageEncoding`).
pub(super) fn decode(text: &str) -> Result<String> {
    let failed = |reason: String| Error::Queue { what: "decoding a message".into(), reason };
    let bytes = STANDARD.decode(text).map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX)
}
