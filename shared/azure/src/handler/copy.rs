//! Delivers a message again, later: the queue trigger redelivers a failed message at once or after a fixed time, so a
//! message with a delay is replaced with a new one. It is the same job: it has the id, the attempts and the receives of
//! the earlier messages.

use std::borrow::Cow;

use lamplighter::{JobId, RawValue, host::carries_settlement, message::Message};

use crate::queues::body_before_death;

/// The member with the receives of the messages before this one.
const RECEIVES: &str = "lamplighter.receives";

/// A received message.
pub(super) struct Received {
    /// The body for the worker, without the additions of copies.
    pub(super) body: String,
    /// The number of receives of the earlier messages.
    pub(super) receives_before: u32,
    /// The body as a message, if it is one.
    message: Option<Message>,
}

impl Received {
    pub(super) fn read(text: &str) -> Self {
        let body = body_before_death(text);
        let is_redriven = matches!(body, Cow::Owned(_));
        let Ok(mut message) = body.parse::<Message>() else {
            return Self { body: body.into_owned(), receives_before: 0, message: None };
        };
        let receives = message.extra.remove(RECEIVES);
        let (changed, mut receives_before) = (receives.is_some(), 0);
        if is_redriven {
            // A new run.
            message.attempts = 0;
        } else {
            receives_before = receives.and_then(|number| number.get().parse().ok()).unwrap_or_default();
        }
        let body = if changed || is_redriven { message.to_json() } else { body.into_owned() };
        Self { body, receives_before, message: Some(message) }
    }

    /// Returns the job's name, if the body contains one.
    pub(super) fn job(&self) -> Option<&str> {
        self.message.as_ref().map(|message| &*message.job)
    }

    /// Returns the body of the message that replaces this one. `executed` is the number of attempts among this one's
    /// receives, where receives count attempts.
    pub(super) fn copy(&self, message_id: &str, receives: u32, executed: u32) -> String {
        let Some(message) = &self.message else { return self.body.clone() };
        let mut copy = message.clone();
        if copy.id.is_none() && !carries_settlement(&copy) {
            // The message's id was the job's id, and stays the job's id.
            copy.id = JobId::new(message_id).ok();
        }
        copy.attempts = copy.attempts.saturating_add(executed);
        let receives = self.receives_before.saturating_add(receives);
        if let Ok(number) = RawValue::from_string(receives.to_string()) {
            copy.extra.insert(RECEIVES.into(), number);
        }
        copy.to_json()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_job_and_counts_on() {
        let first = Received::read(r#"{"job":"a","args":{"n":1.0},"x":2}"#);
        assert_eq!((first.receives_before, first.job()), (0, Some("a")));
        let copy = first.copy("m-1", 2, 2);
        assert_eq!(copy, r#"{"job":"a","args":{"n":1.0},"id":"m-1","attempts":2,"lamplighter.receives":2,"x":2}"#);

        let second = Received::read(&copy);
        assert_eq!(second.receives_before, 2);
        assert_eq!(
            second.body, r#"{"job":"a","args":{"n":1.0},"id":"m-1","attempts":2,"x":2}"#,
            "the worker sees no trace"
        );
        let released = second.copy("m-2", 1, 0);
        assert_eq!(released, r#"{"job":"a","args":{"n":1.0},"id":"m-1","attempts":2,"lamplighter.receives":3,"x":2}"#);
    }

    #[test]
    fn a_redriven_message_starts_again() {
        let dead = r#"{"job":"a","args":{},"id":"i","attempts":8,"lamplighter.receives":9}"#;
        let envelope = serde_json::json!({"lamplighter.dead_letter": {"reason": "failed"}, "body": dead}).to_string();
        let received = Received::read(&envelope);
        assert_eq!((&*received.body, received.receives_before), (r#"{"job":"a","args":{},"id":"i"}"#, 0));
    }

    #[test]
    fn a_body_that_is_no_message_is_copied_unchanged() {
        for body in ["", "hello", "{}", r#"{"lamplighter.receives":3}"#] {
            let received = Received::read(body);
            assert_eq!((&*received.body, received.job()), (body, None));
            assert_eq!(received.copy("m", 1, 1), body);
        }
        let strange = Received::read(r#"{"job":"a","args":{},"lamplighter.receives":"many"}"#);
        assert_eq!((strange.receives_before, &*strange.body), (0, r#"{"job":"a","args":{}}"#));
    }

    #[test]
    fn a_settlement_gets_no_id() {
        let settlement = Received::read(r#"{"job":"a","args":{},"lamplighter.settlement":{"id":"other"}}"#);
        assert!(!settlement.copy("m-1", 1, 0).contains("\"id\":\"m-1\""));
    }
}
