//! Dead-letter queues: their URLs, and sending messages to them.

use std::collections::BTreeSet;

use aws_sdk_sqs::{
    primitives::Blob,
    types::{MessageAttributeValue, QueueAttributeName},
};
use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    host::DeadLetterCause,
    message::MAX_MESSAGE_BYTES,
};
use serde::Deserialize;

use super::{
    Sqs,
    batches::{Outgoing, Rejection, attribute_size},
    text::{cut, is_group, legal},
};
use crate::{
    queues::{QueueArn, is_fifo},
    sdk::explain,
};

/// A message to be sent to the dead-letter queue.
#[derive(Debug, Clone)]
pub(crate) struct DeadMessage {
    /// The body, unchanged.
    pub(crate) body: String,
    /// Why it is dead-lettered.
    pub(crate) cause: DeadLetterCause,
    /// The queue it came from, by the name that definitions use.
    pub(crate) queue: String,
    /// The function that dead-letters it.
    pub(crate) function: &'static str,
    /// Its message id on that queue, if it had one.
    pub(crate) message_id: Option<String>,
    /// How often it was received on that queue.
    pub(crate) receives: u32,
    /// Its message group, on queues of both kinds.
    pub(crate) group: Option<String>,
    /// Its original attributes. They are kept if there is room.
    pub(crate) attributes: Vec<(String, Attribute)>,
}

/// A message attribute's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Text, or a number; with its data type, since there are custom ones (`String.custom`).
    Text { data_type: String, value: String },
    /// Bytes, likewise.
    Binary { data_type: String, value: Vec<u8> },
}

/// The prefix of our own attributes.
const PREFIX: &str = "lamplighter.";
/// Message attributes per message (Amazon SQS Developer Guide, "Message metadata").
const MAX_ATTRIBUTES: usize = 10;
/// The largest error text in bytes: enough to see what went wrong; the log has all of it.
const MAX_ERROR: usize = 4096;

impl DeadMessage {
    /// The message for the dead-letter queue: the original body, and attributes for people, as far as 1 MiB and ten
    /// attributes allow. The reason comes first, the original attributes last.
    fn into_message(self, fifo: bool) -> Outgoing {
        let mut room = MAX_MESSAGE_BYTES.saturating_sub(self.body.len());
        let mut attributes: Vec<(String, MessageAttributeValue)> = Vec::new();
        let mut add = |name: &str, attribute: Attribute| {
            let Some(value) = attribute.value() else { return };
            let size = attribute_size(name, &value);
            if size <= room && attributes.len() < MAX_ATTRIBUTES {
                room -= size;
                attributes.push((name.to_owned(), value));
            }
        };
        let text = |value: &str| Attribute::Text { data_type: "String".into(), value: value.to_owned() };
        add("lamplighter.reason", text(self.cause.reason.as_str()));
        if let Some(id) = &self.message_id {
            add("lamplighter.message-id", text(id));
        }
        add("lamplighter.queue", text(&self.queue));
        add("lamplighter.function", text(self.function));
        add("lamplighter.receives", Attribute::Text { data_type: "Number".into(), value: self.receives.to_string() });
        let error = legal(&self.cause.error.to_string()).into_owned();
        add("lamplighter.error", text(cut(&error, MAX_ERROR)));
        let mut names = BTreeSet::new();
        for (name, attribute) in self.attributes {
            if !name.starts_with(PREFIX) && names.insert(name.clone()) {
                add(&name, attribute);
            }
        }
        let group = self.group.filter(|group| is_group(group));
        Outgoing {
            // SQS refuses an empty body.
            body: if self.body.is_empty() { "null".into() } else { self.body },
            attributes,
            group: if fifo { group.or(Some(self.queue)) } else { group },
            // The original message id: retrying after a lost answer then sends one dead letter, not two.
            deduplication: self.message_id.filter(|id| fifo && is_group(id)),
            delay_seconds: None,
        }
    }
}

impl Attribute {
    /// `None` if SQS would refuse it: an empty value, or an unnamed type.
    fn value(&self) -> Option<MessageAttributeValue> {
        let builder = MessageAttributeValue::builder();
        match self {
            Self::Text { data_type, value } if !value.is_empty() => {
                builder.data_type(data_type).string_value(legal(value)).build().ok()
            }
            Self::Binary { data_type, value } if !value.is_empty() => {
                builder.data_type(data_type).binary_value(Blob::new(value.as_slice())).build().ok()
            }
            _ => None,
        }
    }
}

fn parse(arn: &str) -> Result<QueueArn<'_>, StoreError> {
    let none = || StoreError::new(StoreErrorKind::Invalid, format_args!("{arn:?} is not the ARN of a queue"));
    QueueArn::parse(arn).ok_or_else(none)
}

impl Sqs {
    /// Sends messages to a dead-letter queue. The answers are in the messages' order; if one is an error, the message
    /// is not known to be there and must not be deleted.
    pub(crate) async fn dead_letter(&self, url: &str, dead_messages: Vec<DeadMessage>) -> Vec<Result<(), StoreError>> {
        let fifo = is_fifo(url);
        let messages: Vec<_> = dead_messages.into_iter().map(|dead_message| dead_message.into_message(fifo)).collect();
        let answers = self.send_batches(url, &messages).await;
        let error = |rejection| match rejection {
            Rejection::Refused(why) => StoreError::new(StoreErrorKind::Invalid, why),
            Rejection::Failed(error) => error,
        };
        answers.into_iter().map(|answer| answer.map_err(error)).collect()
    }

    /// The URL of the dead-letter queue of the queue with that ARN: from the map, or else from the queue itself, which
    /// is asked once.
    ///
    /// # Errors
    /// When the queue has none, or cannot be read.
    pub(crate) async fn dead_letter_url(&self, arn: &str) -> Result<String, StoreError> {
        let queue = parse(arn)?;
        if let Some(url) = self.queues().find(&queue).and_then(|(_, queue)| queue.dlq.clone()) {
            return Ok(url);
        }
        let url = self.url_of(arn).await?;
        let cell = self.dead_cell(&url);
        let dead = cell.get_or_try_init(|| self.ask_for_dead_letter_url(&url)).await?;
        dead.clone().ok_or_else(|| {
            let text = format!(
                "queue {} has no dead-letter queue: give it a redrive policy, or the message comes back until it expires",
                queue.name
            );
            StoreError::new(StoreErrorKind::Invalid, text)
        })
    }

    /// The URL of the queue with that ARN.
    ///
    /// # Errors
    /// When it is not a queue's ARN, or no endpoint is configured.
    pub(crate) async fn url_of(&self, arn: &str) -> Result<String, StoreError> {
        let queue = parse(arn)?;
        match self.queues().find(&queue) {
            Some((_, queue)) => Ok(queue.url.clone()),
            None => Ok(queue.url(self.0.sdk.config().await?.endpoint_url())),
        }
    }

    async fn ask_for_dead_letter_url(&self, url: &str) -> Result<Option<String>, StoreError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RedrivePolicy {
            dead_letter_target_arn: String,
        }
        let client = self.client().await?;
        let asked = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::RedrivePolicy);
        let answer =
            asked.send().await.map_err(|error| explain(&error, &format!("read the redrive policy of {url}")))?;
        let Some(policy) = answer.attributes.as_ref().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy))
        else {
            return Ok(None);
        };
        let policy: Option<RedrivePolicy> = serde_json::from_str(policy).ok();
        let dead = policy.as_ref().and_then(|policy| QueueArn::parse(&policy.dead_letter_target_arn)?.url_beside(url));
        dead.map(Some).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Invalid, format_args!("the redrive policy of {url} does not name a queue"))
        })
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::{backend::DeadLetterReason, record::ErrorText};
    use proptest::prelude::*;

    use super::*;

    fn dead_message(body: String, error: &str, attributes: Vec<(String, Attribute)>) -> DeadMessage {
        DeadMessage {
            body,
            cause: DeadLetterCause { reason: DeadLetterReason::Failed, error: ErrorText::new(error) },
            queue: "webhooks".into(),
            function: "webhooks",
            message_id: Some("059f36b4-87a3-44ab-83d2-661975830a7d".into()),
            receives: 3,
            group: None,
            attributes,
        }
    }

    fn text(value: &str) -> Attribute {
        Attribute::Text { data_type: "String".into(), value: value.into() }
    }

    proptest! {
        #[test]
        fn dead_letters_fit_the_limits(
            body in prop_oneof![0usize..2000, MAX_MESSAGE_BYTES - 6000..=MAX_MESSAGE_BYTES],
            error in "\\PC{0,200}",
            own in proptest::collection::vec(("[a-z]{1,4}", "\\PC{0,300}"), 0..14),
        ) {
            let own = own.into_iter().map(|(name, value)| (name, text(&value))).collect();
            let message = dead_message("x".repeat(body), &error.repeat(40), own).into_message(true);
            prop_assert!(message.size() <= MAX_MESSAGE_BYTES);
            prop_assert!(message.attributes.len() <= MAX_ATTRIBUTES);
            let names: BTreeSet<_> = message.attributes.iter().map(|(name, _)| name).collect();
            prop_assert_eq!(names.len(), message.attributes.len());
            prop_assert!(message.attributes.iter().all(|(_, value)| value.string_value().is_some_and(|v| !v.is_empty())));
        }
    }

    #[test]
    fn dead_letters_keep_their_reason_and_attributes() {
        let own = vec![("tenant".into(), text("blue")), ("lamplighter.reason".into(), text("an older one"))];
        let message = dead_message("{}".into(), "no\u{0}pe", own).into_message(false);
        let value = |name: &str| {
            message.attributes.iter().find(|(own, _)| own == name).and_then(|(_, value)| value.string_value())
        };
        assert_eq!(value("lamplighter.reason"), Some("failed"));
        assert_eq!(value("lamplighter.error"), Some("no\u{fffd}pe"));
        assert_eq!(value("lamplighter.receives"), Some("3"));
        assert_eq!(value("lamplighter.queue"), Some("webhooks"));
        assert_eq!(value("lamplighter.message-id"), Some("059f36b4-87a3-44ab-83d2-661975830a7d"));
        assert_eq!(value("tenant"), Some("blue"));
        assert_eq!((message.group, message.deduplication), (None, None));
    }

    #[test]
    fn fifo_dead_letters_have_a_group_and_an_id() {
        let message = dead_message("{}".into(), "nope", vec![]).into_message(true);
        assert_eq!(message.group.as_deref(), Some("webhooks"));
        assert_eq!(message.deduplication.as_deref(), Some("059f36b4-87a3-44ab-83d2-661975830a7d"));
    }
}
