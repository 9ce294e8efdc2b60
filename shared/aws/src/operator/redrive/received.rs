//! A dead letter that was received: what it says about its job, and what is sent back of it.

use std::collections::HashMap;

use aws_sdk_sqs::types::{self, MessageAttributeValue, MessageSystemAttributeName as System};
use lamplighter::{
    JobId, Timestamp,
    backend::{DeadLetter, DeadLetterKey},
    host::carries_settlement,
    message::{MAX_MESSAGE_BYTES, Message},
};

/// What our own attributes begin with; the sender's are all others.
const OWN: &str = "lamplighter.";
/// What names of our internal messages begin with: they are no jobs.
const INTERNAL: &str = "lamplighter.";

/// A dead letter that was received.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) dead_letter: DeadLetter,
    pub(super) message_id: String,
    pub(super) receipt: String,
    /// Of the sender.
    pub(super) attributes: HashMap<String, MessageAttributeValue>,
    message: Option<Message>,
    /// Whether the id that an attribute names is another job's.
    disowned: bool,
}

impl Received {
    /// `None` for what SQS would not send: a message without an id or a receipt.
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

    /// The job that it carries; none when the body is no message, or an internal one.
    pub(super) fn job_id(&self) -> Option<JobId> {
        let message = self.message.as_ref().filter(|message| !message.job.starts_with(INTERNAL))?;
        message.id.clone().or_else(|| JobId::new(&self.dead_letter.id).ok().filter(|_| !self.disowned))
    }

    /// Whether a settlement travels on it.
    pub(super) fn carries_settlement(&self) -> bool {
        self.message.as_ref().is_some_and(carries_settlement)
    }

    /// The record of its id is another job's. Where only an attribute names that id, it is not this one's: anybody
    /// who can send to the dead-letter queue writes attributes.
    pub(super) fn disown(&mut self) {
        self.disowned = true;
    }

    /// The body to send back: as it came, but for two things. Without an id in it, its new message id would make it
    /// another job; and attempts of earlier messages do not count any more.
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
    fn what_sqs_moved_by_itself_says_so() {
        let Received { dead_letter, .. } = received("no JSON", &[]);
        assert_eq!(
            (&*dead_letter.id, &*dead_letter.job, &*dead_letter.reason),
            ("dead-1", "", DeadLetter::MAX_RECEIVES)
        );
        assert_eq!(dead_letter.receive_count, 2);
    }

    #[test]
    fn bodies_go_back_as_they_came() {
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
    fn an_id_that_was_the_messages_is_kept_and_attempts_are_counted_anew() {
        let attributes = [("lamplighter.message-id", "live-1")];
        let nameless = received(r#"{"job":"act.out","args":{"n": 1.0},"x":1}"#, &attributes);
        assert_eq!(nameless.body(), r#"{"job":"act.out","args":{"n": 1.0},"id":"live-1","x":1}"#);
        assert_eq!(nameless.job_id().unwrap().as_str(), "live-1");
        let tried = received(r#"{"job":"act.out","id":"a","attempts":5}"#, &attributes);
        let body: Message = tried.body().parse().unwrap();
        assert_eq!((body.id.unwrap().as_str(), body.attempts), ("a", 0));
    }
}
