//! Reads queues, and hands their messages to functions.

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use hyper::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::MiniStack;
use super::error::{Error, Result, said};

/// The number of messages in a queue, by their visibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// May be received now.
    pub visible: u64,
    /// Received and neither deleted nor visible again.
    pub in_flight: u64,
    /// Waiting for their delay to end.
    pub delayed: u64,
}

impl std::fmt::Display for Depth {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} visible, {} in flight, {} delayed", self.visible, self.in_flight, self.delayed)
    }
}

/// A message in a queue.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Held {
    /// The id that SQS set.
    pub message_id: String,
    /// Its body.
    pub body: String,
    /// How many times it was received.
    pub receive_count: u32,
    /// Whether it may be received now.
    pub is_visible: bool,
    /// When it may be received again, in seconds since 1970.
    pub visible_at: i64,
    /// Its group.
    pub message_group_id: Option<String>,
    /// Its attributes, as the emulator stores them.
    pub message_attributes: BTreeMap<String, Value>,
    /// Its system attributes.
    pub attributes: BTreeMap<String, Value>,
}

/// Returns the payload in which Lambda passes these messages of the queue with that ARN to a function. They were
/// received with all system attributes, and without their senders' attributes.
#[must_use]
pub fn batch(messages: &[Message], arn: &str) -> Value {
    let record = |message: &Message| {
        let attributes = message.attributes.iter().flatten().map(|(name, value)| (name.as_str(), value));
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": attributes.collect::<BTreeMap<_, _>>(),
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

impl MiniStack {
    /// Returns all attributes of a queue.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub async fn queue_attributes(&self, url: &str) -> Result<BTreeMap<String, String>> {
        let all = self.sqs().get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        let answer = sqs("reading the attributes of", url, all.send()).await?;
        let attributes = answer.attributes.unwrap_or_default();
        Ok(attributes.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect())
    }

    /// Returns the number of messages in a queue.
    ///
    /// # Errors
    /// Like [`Self::queue_attributes`].
    pub async fn depth(&self, url: &str) -> Result<Depth> {
        let attributes = self.queue_attributes(url).await?;
        let count = |name| attributes.get(name).and_then(|value| value.parse().ok()).unwrap_or_default();
        Ok(Depth {
            visible: count("ApproximateNumberOfMessages"),
            in_flight: count("ApproximateNumberOfMessagesNotVisible"),
            delayed: count("ApproximateNumberOfMessagesDelayed"),
        })
    }

    /// Returns all messages of a queue, even those in flight or delayed, without receiving them: receive counts do not
    /// change.
    ///
    /// # Errors
    /// When the emulator refuses, or has no such queue.
    pub async fn peek(&self, url: &str) -> Result<Vec<Held>> {
        let failed = |reason: String| Error::Request { what: format!("looking into queue {url}"), reason };
        let query: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let request = Request::get(format!("/_ministack/sqs/messages?QueueUrl={query}")).body(Vec::new());
        let answer = self.request_as_root("sqs", request.map_err(|error| failed(error.to_string()))?).await?;
        let answer: Value = serde_json::from_slice(answer.body()).map_err(|error| failed(error.to_string()))?;
        // account → region → queue → messages
        let regions = answer["messages"].as_object().into_iter().flatten().map(|(_, regions)| regions);
        let queues = regions.flat_map(|regions| regions.as_object().into_iter().flatten().map(|(_, queues)| queues));
        let mut lists = queues.flat_map(|queues| queues.as_object().into_iter().flatten().map(|(_, list)| list));
        let list = lists.next().ok_or_else(|| failed("there is no such queue".into()))?;
        serde_json::from_value(list.clone()).map_err(|error| failed(error.to_string()))
    }

    /// Receives and deletes messages until a queue is empty; for dead-letter queues and others without a consumer.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub async fn drain(&self, url: &str) -> Result<Vec<Message>> {
        let client = self.sqs();
        let mut all = Vec::new();
        loop {
            let receive = client.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(0);
            let receive =
                receive.message_attribute_names("All").message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = sqs("receiving from", url, receive.send()).await?.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(all);
            }
            for message in &messages {
                let delete = client.delete_message().queue_url(url).set_receipt_handle(message.receipt_handle.clone());
                sqs("deleting from", url, delete.send()).await?;
            }
            all.extend(messages);
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the emulator refuses.
    pub async fn send(&self, url: &str, body: impl Into<String>) -> Result<String> {
        let send = self.sqs().send_message().queue_url(url).message_body(body);
        Ok(sqs("sending to", url, send.send()).await?.message_id.unwrap_or_default())
    }
}

async fn sqs<T, E, R>(doing: &str, url: &str, sending: impl Future<Output = Result<T, SdkError<E, R>>>) -> Result<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    sending.await.map_err(|error| Error::Request { what: format!("{doing} queue {url}"), reason: said(error) })
}
