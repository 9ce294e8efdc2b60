//! The errors that handlers return.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Why an attempt did not succeed, and what follows from it.
///
/// `?` converts any error into one that means "try again by the job's policy". The type itself does not implement
/// [`Error`], so that `?` accepts every error type.
pub struct JobError {
    pub(crate) action: ErrorAction,
    source: Box<dyn Error + Send + Sync>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorAction {
    /// Try again by policy.
    Retry,
    /// Try again after this time, if attempts are left.
    RetryIn(Duration),
    /// Try again by policy, but not before this time has passed.
    RetryAfter(Duration),
    /// Do not try again.
    Fail,
    /// Release the job for this long; the attempt does not count.
    Snooze(Duration),
}

impl JobError {
    /// Try again by the job's policy: what `?` does.
    pub fn retry(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action: ErrorAction::Retry, source: error.into() }
    }

    /// Try again after `delay` instead of the policy's time, if attempts are left: for a delay that the handler itself
    /// knows to be right. A delay that another party names belongs in [`retry_after`](Self::retry_after).
    pub fn retry_in(delay: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action: ErrorAction::RetryIn(delay), source: error.into() }
    }

    /// Try again by the job's policy, but not before `delay` has passed, if attempts are left: for a delay that another
    /// party names, such as `Retry-After`. That party cannot make the job use up its attempts sooner than its policy
    /// says. The handler decides how long the job may be delayed, and caps `delay` accordingly.
    pub fn retry_after(delay: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action: ErrorAction::RetryAfter(delay), source: error.into() }
    }

    /// The job has failed for good: trying again could not help.
    pub fn fail(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { action: ErrorAction::Fail, source: error.into() }
    }

    pub(crate) fn snooze(delay: Duration) -> Self {
        Self { action: ErrorAction::Snooze(delay), source: "snoozed by the handler".into() }
    }

    /// The texts of the error and its causes, as records and logs keep them.
    #[must_use]
    pub fn text(&self) -> ErrorText {
        ErrorText::from_error(&*self.source)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobError").field("action", &self.action).field("source", &self.source).finish()
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

/// An error as records keep it: its message and the messages of its causes, outermost first. Bounded, so that a record
/// stays small whatever a handler returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorText {
    /// The outermost message.
    pub message: String,
    /// The causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

impl ErrorText {
    /// The longest message kept, in bytes; the rest is cut.
    pub const MAX_LEN: usize = 4096;
    /// The most causes kept.
    pub const MAX_CHAIN: usize = 16;

    /// A text without causes.
    #[must_use]
    pub fn new<'a>(message: impl Into<Cow<'a, str>>) -> Self {
        Self { message: bounded(message.into()), chain: Vec::new() }
    }

    /// The texts of `error` and its sources.
    #[must_use]
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        let mut text = Self::new(error.to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            if text.chain.len() == Self::MAX_CHAIN {
                break;
            }
            text.chain.push(bounded(error.to_string().into()));
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.chain.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

fn bounded(text: Cow<'_, str>) -> String {
    if text.len() <= ErrorText::MAX_LEN {
        return text.into_owned();
    }
    let mut cut = ErrorText::MAX_LEN;
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}… ({} bytes in all)", &text[..cut], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not publish")]
    struct Publish(#[source] std::num::ParseIntError);

    #[test]
    fn question_mark_converts_any_error_with_its_causes() {
        fn handler() -> Result<(), JobError> {
            "x".parse::<u8>().map_err(Publish)?;
            Ok(())
        }
        let error = handler().unwrap_err();
        assert_eq!(error.action, ErrorAction::Retry);
        assert_eq!(error.text().to_string(), "could not publish: invalid digit found in string");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = ErrorText::new("ü".repeat(5000));
        assert!(text.message.len() < ErrorText::MAX_LEN + 40);
        assert!(text.message.ends_with("(10000 bytes in all)"));
    }
}
