//! A received dead letter: the data of its job, and the message to send back.

use std::collections::HashMap;

use aws_sdk_sqs::types::{self, MessageAttributeValue, MessageSystemAttributeName as System};
use lamplighter::{
    JobId, Timestamp,
    backend::{DeadLetter, DeadLetterKey},
    host::carries_settlement,
    message::{MAX_MESSAGE_BYTES, Message},
};

/// The prefix of our own attributes; all others are the sender's.
const OWN: &str = "lamplighter.";
/// The prefix of the names of our internal messages, which are not jobs.
const INTERNAL: &str = "lamplighter.";

/// A dead letter that was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) dead_letter: DeadLetter,
    pub(super) message_id: String,
    pub(super) receipt: String,
    /// The sender's attributes.
    pub(super) attributes: HashMap<String, MessageAttributeValue>,
    message: Option<Message>,
    /// Whether the id in an attribute belongs to another job.
    disowned: bool,
}

impl Received {
    /// Returns `None` for a message that SQS would not send: without an id or a receipt.
    pub(super) fn of(queue: &str, received: types::Message) -> Option<Self> {
        let types::Message { message_id, receipt_handle, body, attributes, message_attributes, .. } = received;
        let (message_id, receipt, body) = (message_id?, receipt_handle?, body.unwrap_or_default());
        let system = attributes.unwrap_or_default();
        let mut attributes = message_attributes.unwrap_or_default();
        let text = |name: &str| attributes.get(name).and_then(|value| value.string_value()).map(str::to_owned);
        let (reason, error) = (text("lamplighter.reason"), text("lamplighter.error"));
        let receives = text("lamplighter.receives").or_else(|| system.get(&System::ApproximateReceiveCount).cloned());
        let first_id = text("lamplighter.message-id").unwrap_or_else(|| message_id.clone());
        let message: Option<Message> = body.parse().ok();
        let named = message.as_ref().and_then(|message| message.id.as_ref());
        let sent = system.get(&System::SentTimestamp).and_then(|text| text.parse().ok());
        let key = DeadLetterKey::MessageId(message_id.clone());
        let mut dead_letter = DeadLetter::new(key, queue, named.map_or(first_id, ToString::to_string), body);
        dead_letter.job = message.as_ref().map(|message| message.job.clone()).unwrap_or_default();
        dead_letter.reason = reason.unwrap_or_else(|| DeadLetter::MAX_RECEIVES.into());
        dead_letter.error = error.unwrap_or_default();
        dead_letter.dead_since = sent.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default();
        dead_letter.receive_count = receives.and_then(|text| text.parse().ok()).unwrap_or_default();
        dead_letter.group = system.get(&System::MessageGroupId).cloned();
        attributes.retain(|name, _| !name.starts_with(OWN));
        Some(Self { dead_letter, message_id, receipt, attributes, message, disowned: false })
    }

    /// Returns the id of the job that it carries; `None` if the body is not a message, or an internal one.
    pub(super) fn job_id(&self) -> Option<JobId> {
        let message = self.message.as_ref().filter(|message| !message.job.starts_with(INTERNAL))?;
        message.id.clone().or_else(|| JobId::new(&self.dead_letter.id).ok().filter(|_| !self.disowned))
    }

    /// Returns whether it carries a settlement.
    pub(super) fn carries_settlement(&self) -> bool {
        self.message.as_ref().is_some_and(carries_settlement)
    }

    /// Marks the record of its id as another job's. If only an attribute contains that id, it is not this job's id:
    /// every sender to the dead-letter queue can write attributes.
    pub(super) fn disown(&mut self) {
        self.disowned = true;
    }

    /// Returns the body to send back, with two changes. Without an id in it, its new message id would make it another
    /// job; and attempts of earlier messages no longer count.
    pub(super) fn body(&self) -> String {
        let (Some(message), Some(id)) = (&self.message, self.job_id()) else { return self.dead_letter.body.clone() };
        if message.id.is_some() && message.attempts == 0 {
            return self.dead_letter.body.clone();
        }
        let mut message = message.clone();
        (message.id, message.attempts) = (Some(id), 0);
        let body = message.to_json();
        if body.len() > MAX_MESSAGE_BYTES { self.dead_letter.body.clone() } else { body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
    }

    fn received(body: &str, attributes: &[(&str, &str)]) -> Received {
        let mut message = types::Message::builder().message_id("dead-1").receipt_handle("receipt").body(body);
        for (name, value) in attributes {
            message = message.message_attributes(*name, text(value));
        }
        let message = message
            .attributes(System::SentTimestamp, "1800000000123")
            .attributes(System::ApproximateReceiveCount, "2")
            .attributes(System::MessageGroupId, "blue");
        Received::of("work", message.build()).unwrap()
    }

    #[test]
    fn a_dead_letter_names_its_job_and_the_reason() {
        let body = r#"{"job":"act.out","id":"order-42","args":{"n": 1.0}}"#;
        let own = [
            ("lamplighter.reason", "failed"),
            ("lamplighter.error", "no"),
            ("lamplighter.receives", "7"),
            ("lamplighter.message-id", "live-1"),
            ("tenant", "blue"),
        ];
        let Received { dead_letter, attributes, .. } = received(body, &own);
        assert_eq!(
            (&*dead_letter.id, &*dead_letter.job, &*dead_letter.reason, &*dead_letter.error),
            ("order-42", "act.out", "failed", "no")
        );
        assert_eq!((dead_letter.receive_count, dead_letter.group.as_deref()), (7, Some("blue")));
        assert_eq!(dead_letter.dead_since, "2027-01-15T08:00:00.123Z".parse().unwrap());
        assert_eq!(attributes.keys().collect::<Vec<_>>(), ["tenant"], "ours are not sent back");
    }

    #[test]
    fn dead_letters_that_sqs_moved_have_their_reason() {
        let Received { dead_letter, .. } = received("no JSON", &[]);
        assert_eq!(
            (&*dead_letter.id, &*dead_letter.job, &*dead_letter.reason),
            ("dead-1", "", DeadLetter::MAX_RECEIVES)
        );
        assert_eq!(dead_letter.receive_count, 2);
    }

    #[test]
    fn bodies_are_sent_back_unchanged() {
        for body in [
            r#"{ "job":"act.out", "id":"a","args":{"n": 1.0}, "x":[ ] }"#,
            "no JSON",
            "",
            r#"{"job":"lamplighter.settle","args":{}}"#,
            r#"{"job":7}"#,
        ] {
            assert_eq!(received(body, &[("lamplighter.message-id", "live-1")]).body(), body);
        }
    }

    #[test]
    fn a_message_id_is_kept_as_the_job_id_and_attempts_start_again() {
        let attributes = [("lamplighter.message-id", "live-1")];
        let nameless = received(r#"{"job":"act.out","args":{"n": 1.0},"x":1}"#, &attributes);
        assert_eq!(nameless.body(), r#"{"job":"act.out","args":{"n": 1.0},"id":"live-1","x":1}"#);
        assert_eq!(nameless.job_id().unwrap().as_str(), "live-1");
        let tried = received(r#"{"job":"act.out","id":"a","attempts":5}"#, &attributes);
        let body: Message = tried.body().parse().unwrap();
        assert_eq!((body.id.unwrap().as_str(), body.attempts), ("a", 0));
    }
}
