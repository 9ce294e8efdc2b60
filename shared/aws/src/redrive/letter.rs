//! A dead letter: what it says of its job, and what is sent back of it.

use std::collections::HashMap;

use aws_sdk_sqs::types::{self, MessageAttributeValue, MessageSystemAttributeName as System};
use lamplighter::{
    JobId, Timestamp,
    host::carries_settlement,
    message::{MAX_MESSAGE_BYTES, Message},
};

/// A message in a queue's dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its message id in the dead-letter queue.
    pub message_id: String,
    /// The job's id, or, where the body gives none, the id of the message that was buried.
    pub id: String,
    /// The job's name, as far as the body tells it; else empty.
    pub job: String,
    /// The body as it came.
    pub body: String,
    /// Why it lies here: [`DeadLetterReason::as_str`](lamplighter::backend::DeadLetterReason::as_str), or [`DeadLetter::BY_SQS`].
    pub reason: String,
    /// The error, in one line; empty where SQS moved it.
    pub error: String,
    /// When it was sent here. A message that SQS itself moved keeps the time at which it was sent first (Amazon SQS
    /// Developer Guide, "Using dead-letter queues").
    pub dead_since: Timestamp,
    /// How often it was received, where that is known: from its queue, else from here.
    pub receive_count: u32,
    /// Its message group.
    pub group: Option<String>,
}

impl DeadLetter {
    /// The reason of a message that SQS itself moved: it was received as often as its queue allows, and never answered.
    pub const BY_SQS: &'static str = "max-receive-count";
}

/// What our own attributes begin with; the sender's are all others.
const OWN: &str = "lamplighter.";
/// What names of our internal messages begin with: they are no jobs.
const INTERNAL: &str = "lamplighter.";

/// A dead letter that was received.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) letter: DeadLetter,
    pub(super) receipt: String,
    /// Of the sender.
    pub(super) attributes: HashMap<String, MessageAttributeValue>,
    message: Option<Message>,
    /// Whether the id that an attribute names is another job's.
    disowned: bool,
}

impl Letter {
    /// `None` for what SQS would not send: a message without an id or a receipt.
    pub(super) fn of(received: types::Message) -> Option<Self> {
        let types::Message { message_id, receipt_handle, body, attributes, message_attributes, .. } = received;
        let (message_id, receipt, body) = (message_id?, receipt_handle?, body.unwrap_or_default());
        let system = attributes.unwrap_or_default();
        let mut attributes = message_attributes.unwrap_or_default();
        let text = |name: &str| attributes.get(name).and_then(|value| value.string_value()).map(str::to_owned);
        let (reason, error) = (text("lamplighter.reason"), text("lamplighter.error"));
        let receives = text("lamplighter.receives").or_else(|| system.get(&System::ApproximateReceiveCount).cloned());
        let dead_lettered = text("lamplighter.message-id").unwrap_or_else(|| message_id.clone());
        let message: Option<Message> = body.parse().ok();
        let named = message.as_ref().and_then(|message| message.id.as_ref());
        let sent = system.get(&System::SentTimestamp).and_then(|text| text.parse().ok());
        let letter = DeadLetter {
            id: named.map_or(dead_lettered, ToString::to_string),
            job: message.as_ref().map(|message| message.job.clone()).unwrap_or_default(),
            reason: reason.unwrap_or_else(|| DeadLetter::BY_SQS.into()),
            error: error.unwrap_or_default(),
            dead_since: sent.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or_default(),
            receive_count: receives.and_then(|text| text.parse().ok()).unwrap_or_default(),
            group: system.get(&System::MessageGroupId).cloned(),
            message_id,
            body,
        };
        attributes.retain(|name, _| !name.starts_with(OWN));
        Some(Self { letter, receipt, attributes, message, disowned: false })
    }

    /// The job that it carries; none when the body is no message, or an internal one.
    pub(super) fn job_id(&self) -> Option<JobId> {
        let message = self.message.as_ref().filter(|message| !message.job.starts_with(INTERNAL))?;
        message.id.clone().or_else(|| JobId::new(&self.letter.id).ok().filter(|_| !self.disowned))
    }

    /// Whether a settlement travels on it.
    pub(super) fn carries_settlement(&self) -> bool {
        self.message.as_ref().is_some_and(carries_settlement)
    }

    /// The record of its id is another job's. Where only an attribute names that id, it is not this letter's: anybody
    /// who can send to the dead-letter queue writes attributes.
    pub(super) fn disown(&mut self) {
        self.disowned = true;
    }

    /// The body to send back: as it came, but for two things that would change what becomes of the job. Without an id in
    /// it, its new message id would make it another job; and attempts of earlier messages do not count any more.
    pub(super) fn body(&self) -> String {
        let (Some(message), Some(id)) = (&self.message, self.job_id()) else { return self.letter.body.clone() };
        if message.id.is_some() && message.attempts == 0 {
            return self.letter.body.clone();
        }
        let mut message = message.clone();
        (message.id, message.attempts) = (Some(id), 0);
        let body = message.to_json();
        if body.len() > MAX_MESSAGE_BYTES { self.letter.body.clone() } else { body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
    }

    fn letter(body: &str, attributes: &[(&str, &str)]) -> Letter {
        let mut message = types::Message::builder().message_id("dead-1").receipt_handle("receipt").body(body);
        for (name, value) in attributes {
            message = message.message_attributes(*name, text(value));
        }
        let message = message
            .attributes(System::SentTimestamp, "1800000000123")
            .attributes(System::ApproximateReceiveCount, "2")
            .attributes(System::MessageGroupId, "blue");
        Letter::of(message.build()).unwrap()
    }

    #[test]
    fn a_letter_says_whose_it_is_and_why_it_lies_there() {
        let body = r#"{"job":"act.out","id":"order-42","args":{"n": 1.0}}"#;
        let own = [
            ("lamplighter.reason", "failed"),
            ("lamplighter.error", "no"),
            ("lamplighter.receives", "7"),
            ("lamplighter.message-id", "live-1"),
            ("tenant", "blue"),
        ];
        let Letter { letter, attributes, .. } = letter(body, &own);
        assert_eq!(
            (&*letter.id, &*letter.job, &*letter.reason, &*letter.error),
            ("order-42", "act.out", "failed", "no")
        );
        assert_eq!((letter.receive_count, letter.group.as_deref()), (7, Some("blue")));
        assert_eq!(letter.dead_since, "2027-01-15T08:00:00.123Z".parse().unwrap());
        assert_eq!(attributes.keys().collect::<Vec<_>>(), ["tenant"], "ours are not sent back");
    }

    #[test]
    fn what_sqs_moved_says_so() {
        let Letter { letter, .. } = letter("no JSON", &[]);
        assert_eq!((&*letter.id, &*letter.job, &*letter.reason), ("dead-1", "", DeadLetter::BY_SQS));
        assert_eq!(letter.receive_count, 2);
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
            assert_eq!(letter(body, &[("lamplighter.message-id", "live-1")]).body(), body);
        }
    }

    #[test]
    fn an_id_that_was_the_messages_is_kept_and_attempts_are_counted_anew() {
        let dead_lettered = [("lamplighter.message-id", "live-1")];
        let nameless = letter(r#"{"job":"act.out","args":{"n": 1.0},"x":1}"#, &dead_lettered);
        assert_eq!(nameless.body(), r#"{"job":"act.out","args":{"n": 1.0},"id":"live-1","x":1}"#);
        assert_eq!(nameless.job_id().unwrap().as_str(), "live-1");
        let tried = letter(r#"{"job":"act.out","id":"a","attempts":5}"#, &dead_lettered);
        let body: Message = tried.body().parse().unwrap();
        assert_eq!((body.id.unwrap().as_str(), body.attempts), ("a", 0));
    }
}
