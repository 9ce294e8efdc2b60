//! The errors that handlers return.

mod fingerprint;
mod group;
mod normal;
mod note;

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::{
    fingerprint::{Fingerprint, InvalidFingerprint},
    group::{ErrorGroup, ErrorSample, Failure},
    note::ErrorNote,
};
use crate::{misfit::Misfit, redaction::Redactor};

/// Why an attempt did not succeed, and what follows from it.
///
/// `?` converts any error into one that means "try again by the job's policy". The type itself does not implement
/// [`Error`], so that `?` accepts every error type.
pub struct JobError {
    pub(crate) action: ErrorAction,
    /// The checkpoint from which a job [continues](ErrorAction::Continue).
    pub(crate) checkpoint: Option<Box<RawValue>>,
    dependency_down: bool,
    source: Box<dyn Error + Send + Sync>,
}

/// What follows from a [`JobError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobErrorKind {
    /// The job is tried again, if attempts are left.
    Retry,
    /// The job has failed for good.
    Fail,
    /// The job is put back, and the attempt does not count.
    Snooze,
    /// The job goes on from a new checkpoint in a fresh attempt.
    Continue,
    /// The arguments do not fit the job, and no handler ran: the job has failed, and its message is dead-lettered as bad.
    BadArguments,
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
    /// Go on from [`JobError::checkpoint`] at once, in a fresh attempt.
    Continue,
    /// The arguments do not fit the job.
    BadArguments,
}

impl JobError {
    /// Try again by the job's policy: what `?` does.
    pub fn retry(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorAction::Retry, error.into())
    }

    /// Try again after `delay` instead of the policy's time, if attempts are left: for a delay that the handler itself
    /// knows to be right. A delay that another party names belongs in [`retry_after`](Self::retry_after).
    pub fn retry_in(delay: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorAction::RetryIn(delay), error.into())
    }

    /// Try again by the job's policy, but not before `delay` has passed, if attempts are left: for a delay that another
    /// party names, such as `Retry-After`. That party cannot make the job use up its attempts sooner than its policy
    /// says. The handler decides how long the job may be delayed, and caps `delay` accordingly.
    pub fn retry_after(delay: Duration, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorAction::RetryAfter(delay), error.into())
    }

    /// The job has failed for good: trying again could not help.
    pub fn fail(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorAction::Fail, error.into())
    }

    pub(crate) fn snooze(delay: Duration) -> Self {
        Self::new(ErrorAction::Snooze(delay), "snoozed by the handler".into())
    }

    pub(crate) fn continue_from(checkpoint: Box<RawValue>) -> Self {
        let error = Self::new(ErrorAction::Continue, "continues from its checkpoint".into());
        Self { checkpoint: Some(checkpoint), ..error }
    }

    pub(crate) fn bad_arguments(misfit: Misfit) -> Self {
        Self::new(ErrorAction::BadArguments, misfit.into())
    }

    fn new(action: ErrorAction, source: Box<dyn Error + Send + Sync>) -> Self {
        Self { action, checkpoint: None, dependency_down: false, source }
    }

    /// Marks the error: something that the job depends on is down. A [circuit breaker](crate::layer::CircuitBreaker) goes
    /// by it; without one it changes nothing.
    #[must_use]
    pub fn dependency_down(mut self) -> Self {
        self.dependency_down = true;
        self
    }

    /// Whether the error is [marked](Self::dependency_down).
    #[must_use]
    pub fn is_dependency_down(&self) -> bool {
        self.dependency_down
    }

    /// What follows from it.
    #[must_use]
    pub fn kind(&self) -> JobErrorKind {
        match self.action {
            ErrorAction::Retry | ErrorAction::RetryIn(_) | ErrorAction::RetryAfter(_) => JobErrorKind::Retry,
            ErrorAction::Fail => JobErrorKind::Fail,
            ErrorAction::Snooze(_) => JobErrorKind::Snooze,
            ErrorAction::Continue => JobErrorKind::Continue,
            ErrorAction::BadArguments => JobErrorKind::BadArguments,
        }
    }

    /// The error that it was made of.
    #[must_use]
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }

    /// The error of a tower service that boxes its errors, as tower's own layers do. A job error that passed through such a
    /// layer is what it was; any other error means: try again by the job's policy.
    ///
    /// ```
    /// # use std::error::Error;
    /// # use lamplighter::{JobError, layer::JobErrorKind};
    /// let boxed: Box<dyn Error + Send + Sync> = JobError::fail("no such customer").into();
    /// assert_eq!(JobError::from_boxed(boxed).kind(), JobErrorKind::Fail);
    /// ```
    #[must_use]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        match error.downcast::<Boxed>() {
            Ok(boxed) => boxed.0,
            Err(error) => Self::retry(error),
        }
    }

    /// The texts of the error and its causes, as records and logs keep them.
    #[must_use]
    pub fn text(&self) -> ErrorText {
        self.redacted_text(None)
    }

    /// [`text`](Self::text), without what the redactor finds.
    pub(crate) fn redacted_text(&self, redactor: Option<&Redactor>) -> ErrorText {
        match redactor {
            None => ErrorText::from_error(&*self.source),
            Some(redactor) => {
                ErrorText::of_chain(&*self.source, |error| redactor.text(&error.to_string()).into_owned())
            }
        }
    }
}

/// The text of an error about arguments that do not fit. It is a [`Misfit`]'s: it holds no value.
pub(crate) fn bad_arguments(job: &str, error: &dyn fmt::Display) -> ErrorText {
    ErrorText::new(format!("the arguments do not fit {job}: {error}"))
}

/// A job error on its way through a service that boxes errors.
struct Boxed(JobError);

impl From<JobError> for Box<dyn Error + Send + Sync> {
    fn from(error: JobError) -> Self {
        Box::new(Boxed(error))
    }
}

impl Error for Boxed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.source()
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
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
        Self::of_chain(error, |error| error.to_string())
    }

    /// The texts are cut after `of` has made them, so that no part of a value is left where one was cut through.
    fn of_chain(error: &(dyn Error + 'static), of: impl Fn(&(dyn Error + 'static)) -> String) -> Self {
        let mut text = Self::new(of(error));
        let mut cause = error.source();
        while let Some(error) = cause {
            if text.chain.len() == Self::MAX_CHAIN {
                break;
            }
            text.chain.push(bounded(of(error).into()));
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
