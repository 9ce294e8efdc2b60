//! Dead letters. A message of Azure Storage is only a text, so a dead letter's text is an envelope: the reason, and the
//! original body. A dead letter can be moved back to its queue unchanged: the handler opens it.

use std::{borrow::Cow, time::Duration};

use lamplighter::{
    Timestamp,
    backend::{StoreError, StoreErrorKind},
    host::DeadLetterCause,
};
use serde::{Deserialize, Serialize};

use super::{AzureQueues, send::NotSent};
use crate::contract::{MAX_BODY_BYTES, poison_queue};

/// The member that marks a body as an envelope.
const MARK: &str = "lamplighter.dead_letter";
/// The largest error text in bytes: enough to see what went wrong; the log has all of it.
const MAX_ERROR: usize = 4096;

/// A message to be moved to the poison queue.
#[derive(Debug, Clone)]
pub(crate) struct DeadMessage<'a> {
    /// The body, unchanged.
    pub(crate) body: &'a str,
    /// Why it is dead-lettered.
    pub(crate) cause: &'a DeadLetterCause,
    /// The queue it came from.
    pub(crate) queue: &'a str,
    /// The function that dead-letters it.
    pub(crate) function: &'a str,
    /// Its id on that queue.
    pub(crate) message_id: &'a str,
    /// How often it was received there.
    pub(crate) receives: u32,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "lamplighter.dead_letter")]
    about: About<'a>,
    body: &'a str,
}

#[derive(Serialize)]
struct About<'a> {
    reason: &'a str,
    error: &'a str,
    queue: &'a str,
    function: &'a str,
    message_id: &'a str,
    receives: u32,
    at: Timestamp,
}

/// An opened envelope.
#[derive(Deserialize)]
struct Opened {
    #[serde(rename = "lamplighter.dead_letter")]
    _about: serde::de::IgnoredAny,
    body: String,
}

impl DeadMessage<'_> {
    /// Returns the text of the dead letter. If the envelope would be too large, it has no error; if it still is, the
    /// text is the body alone, as when the Functions host itself moves a message.
    fn text(&self, at: Timestamp) -> Cow<'_, str> {
        let error = self.cause.error.to_string();
        let error = &error[..error.floor_char_boundary(MAX_ERROR)];
        for error in [error, ""] {
            let about = About {
                reason: self.cause.reason.as_str(),
                error,
                queue: self.queue,
                function: self.function,
                message_id: self.message_id,
                receives: self.receives,
                at,
            };
            let text = serde_json::to_string(&Envelope { about, body: self.body }).unwrap_or_default();
            if (1..=MAX_BODY_BYTES).contains(&text.len()) {
                return text.into();
            }
        }
        self.body.into()
    }
}

/// Returns the original body of a dead letter; any other body unchanged.
pub(crate) fn body_before_death(body: &str) -> Cow<'_, str> {
    if !body.contains(MARK) {
        return body.into();
    }
    serde_json::from_str::<Opened>(body).map_or(body.into(), |opened| opened.body.into())
}

impl AzureQueues {
    /// Sends a message to the poison queue of its queue.
    ///
    /// # Errors
    /// When it is not known to be there: then the message must not be deleted.
    pub(crate) async fn dead_letter(&self, message: &DeadMessage<'_>) -> Result<(), StoreError> {
        let queue = poison_queue(message.queue);
        match self.put(&queue, &message.text(self.0.env.now()), Duration::ZERO).await {
            Ok(()) => Ok(()),
            Err(NotSent::NoQueue) => Err(StoreError::new(
                StoreErrorKind::Invalid,
                format_args!("there is no queue {queue:?}: deploy the template that `lamp infra azure` writes"),
            )),
            Err(NotSent::Failed(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use lamplighter::{backend::DeadLetterReason, record::ErrorText};
    use proptest::prelude::*;

    use super::*;

    fn text(body: &str, error: &str) -> String {
        let cause = DeadLetterCause { reason: DeadLetterReason::Failed, error: ErrorText::new(error) };
        let (queue, function, message_id) = ("mails", "mail", "7");
        let dead = DeadMessage { body, cause: &cause, queue, function, message_id, receives: 2 };
        dead.text(Timestamp::UNIX_EPOCH).into_owned()
    }

    #[test]
    fn a_dead_letter_has_its_reason_and_keeps_the_body() {
        let text: serde_json::Value = serde_json::from_str(&text("not a message", "boom")).unwrap();
        assert_eq!(
            text,
            serde_json::json!({
                "lamplighter.dead_letter": {
                    "reason": "failed", "error": "boom", "queue": "mails", "function": "mail", "message_id": "7",
                    "receives": 2, "at": "1970-01-01T00:00:00Z",
                },
                "body": "not a message",
            })
        );
    }

    #[test]
    fn an_envelope_that_is_too_large_never_loses_the_body() {
        let room = MAX_BODY_BYTES - text("", "").len();
        let without_error = text(&"x".repeat(room), "boom");
        assert!(without_error.contains("\"error\":\"\"") && without_error.len() == MAX_BODY_BYTES);
        let alone = "x".repeat(room + 1);
        assert_eq!(text(&alone, ""), alone);
    }

    #[test]
    fn only_an_envelope_is_opened() {
        for body in [r#"{"job":"a"}"#, "lamplighter.dead_letter", r#"{"lamplighter.dead_letter":{}}"#, ""] {
            assert_eq!(body_before_death(body), body);
        }
    }

    proptest! {
        #[test]
        fn every_body_is_restored_unchanged(body in ".*", error in ".*") {
            let text = text(&body, &error);
            prop_assert_eq!(body_before_death(&text), body);
        }
    }
}
