//! Errors that fail a function's start or an invocation.

use std::fmt;

use lambda_runtime::Diagnostic;
use lamplighter::Function;

use crate::sqs::SqsError;

/// Why a function does not start, or stopped serving.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process was not started by Lambda.
    #[error(
        "function {function} runs inside AWS Lambda, and {missing} is not set: deploy it, run it under `cargo lambda \
         watch`, or run its jobs on this machine with `lamp dev`"
    )]
    NotInLambda {
        /// The function.
        function: &'static str,
        /// The missing environment variable.
        missing: &'static str,
    },
    /// The program was built so that a panic ends the process, and with it the whole batch.
    #[error(
        "function {function} was built with panics that abort; set `panic = \"unwind\"` in the profile that it is built \
         with (`cargo lambda build --release` sets \"abort\" where [profile.release] does not say)"
    )]
    PanicsAbort {
        /// The function.
        function: &'static str,
    },
    /// The function has contradictory settings.
    #[error("{0}")]
    Function(String),
    /// The environment does not describe the queues.
    #[error(transparent)]
    Queues(#[from] SqsError),
    /// The runtime API is unreachable.
    #[error("the Lambda runtime API is gone: {0}")]
    Runtime(String),
}

/// The same as [`Display`](fmt::Display): a `main` that returns the error prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an invocation failed, as reported to Lambda and the caller: a type and a sentence. Neither contains a job's
/// arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct InvocationError {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The payload has an unknown format, or no trigger matches the event.
    UnknownEvent,
    /// The message, or the job of an event, is not valid.
    BadMessage,
    /// The job has failed permanently.
    JobFailed,
    /// The attempt has failed; the job may be tried again.
    AttemptFailed,
    /// The job was not run now: it runs elsewhere, is unknown here, or no time was left.
    NotRun,
    /// A message of the batch could be neither run nor dead-lettered nor reported separately.
    Unreportable,
}

impl InvocationError {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn unknown_event(function: &Function, what: &str) -> Self {
        let text = format!(
            "function {} was invoked with {what}; it takes batches from SQS, events that one of its triggers matches, and \
             messages like {{\"job\":\"name\",\"args\":{{}}}}",
            function.name()
        );
        Self::new(Kind::UnknownEvent, text)
    }

    /// Returns the error's type as reported to Lambda: `Lamplighter.JobFailed` for instance.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self.kind {
            Kind::UnknownEvent => "Lamplighter.UnknownEvent",
            Kind::BadMessage => "Lamplighter.BadMessage",
            Kind::JobFailed => "Lamplighter.JobFailed",
            Kind::AttemptFailed => "Lamplighter.AttemptFailed",
            Kind::NotRun => "Lamplighter.NotRun",
            Kind::Unreportable => "Lamplighter.Unreportable",
        }
    }

    /// Returns the sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The runtime logs failed invocations in this form.
impl fmt::Debug for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type(), self.message)
    }
}

impl std::error::Error for InvocationError {}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.error_type().into(), error_message: error.message }
    }
}
