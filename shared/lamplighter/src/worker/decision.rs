//! The consequences of an attempt's end, for the record and for the message.

use std::{any::Any, fmt, time::Duration};

use serde_json::value::RawValue;

use super::{
    Inner,
    intake::{Claimed, back_off, cause},
};
use crate::{
    delivery::{DeadLetterReason, MessageAction},
    error::{self, ErrorText, JobError},
    handler::Outcome,
    misfit::Misfit,
    ports::{Decision, StoreError, StoreErrorKind},
    record::{AttemptOutcome, Record},
};

/// The end of an attempt, seen from outside the handler.
pub(super) enum AttemptEnd {
    Returned(Outcome),
    /// The arguments do not fit the job's type.
    BadArguments(Misfit),
    Panicked(Box<dyn Any + Send>),
    TimedOut {
        after: Duration,
        /// Whether it has saved a checkpoint that advances.
        advanced: bool,
    },
    /// Its arguments are stored elsewhere, and could not be loaded.
    NoArguments(StoreError),
    /// Its job was cancelled or went to another attempt, and the handler did not end: it was dropped at its next await.
    LeaseLost,
    /// Never began, or was cut off by a stopping host.
    HandedBack,
}

impl Inner {
    /// The decision on an attempt, and the action on its message.
    pub(super) fn decide(&self, job: &Claimed, args: &RawValue, end: AttemptEnd) -> (Decision, MessageAction) {
        let options = &job.ready.route.options;
        let retention = options.retention;
        match end {
            AttemptEnd::Returned(Ok(Some(output))) if job.tracked && output.get().len() > Record::MAX_VALUE_BYTES => {
                // A retry would return as much again.
                let error = ErrorText::new(format!(
                    "returned {} bytes, and a record keeps {}: put the data into an object store and return its key",
                    output.get().len(),
                    Record::MAX_VALUE_BYTES
                ));
                self.fail(job, AttemptOutcome::Error, error, DeadLetterReason::Failed)
            }
            AttemptEnd::Returned(Ok(output)) => {
                (Decision::Succeeded { output, retention: retention.succeeded }, MessageAction::Ack)
            }
            AttemptEnd::Returned(Err(error)) => self.decide_on_error(job, args, &error),
            AttemptEnd::BadArguments(error) => self.bad_arguments(job, &error),
            AttemptEnd::Panicked(payload) => {
                let text = format!("panicked: {}", panic_text(&*payload));
                let error = match job.ready.route.redactor(args) {
                    Some(redactor) => ErrorText::new(redactor.text(&text)),
                    None => ErrorText::new(text),
                };
                self.try_again(job, AttemptOutcome::Panic, error, None)
            }
            AttemptEnd::TimedOut { after, advanced } => {
                let timeout = options.timeout;
                let error = if after >= timeout {
                    ErrorText::new(format!("took longer than its timeout of {timeout:?}"))
                } else {
                    ErrorText::new(format!(
                        "was ended after {:.1} s by its invocation's deadline; its own timeout is {timeout:?}",
                        after.as_secs_f64()
                    ))
                };
                if advanced {
                    return continued(AttemptOutcome::TimedOut, Some(error), None);
                }
                self.try_again(job, AttemptOutcome::TimedOut, error, None)
            }
            AttemptEnd::NoArguments(error) if error.kind() == StoreErrorKind::Unavailable => {
                let delay = back_off(job.ready.delivery.receive_count);
                tracing::warn!(id = %job.ready.id, %error, "its arguments could not be loaded, released");
                (Decision::Released { delay }, MessageAction::Release(Some(delay)))
            }
            AttemptEnd::NoArguments(error) => {
                let error = ErrorText::new(format!("its arguments could not be loaded: {error}"));
                self.fail(job, AttemptOutcome::Error, error, DeadLetterReason::BadMessage)
            }
            AttemptEnd::LeaseLost => {
                let attempt = job.token.attempt;
                tracing::warn!(id = %job.ready.id, attempt, "lost its lease and did not end: its place is freed");
                // The fence drops this.
                (Decision::Released { delay: Duration::ZERO }, MessageAction::Release(None))
            }
            AttemptEnd::HandedBack => {
                (Decision::Released { delay: Duration::ZERO }, MessageAction::Release(Some(Duration::ZERO)))
            }
        }
    }

    fn decide_on_error(&self, job: &Claimed, args: &RawValue, error: &JobError) -> (Decision, MessageAction) {
        let text = || error.redacted_text(job.ready.route.redactor(args).as_ref());
        match error.action {
            error::ErrorAction::Retry => self.try_again(job, AttemptOutcome::Error, text(), None),
            error::ErrorAction::RetryIn(delay) => self.try_again(job, AttemptOutcome::Error, text(), Some(delay)),
            error::ErrorAction::RetryAfter(least) => {
                let (decision, action) = self.try_again(job, AttemptOutcome::Error, text(), None);
                not_before(least, decision, action)
            }
            error::ErrorAction::Fail => self.fail(job, AttemptOutcome::Error, text(), DeadLetterReason::Failed),
            error::ErrorAction::BadArguments => self.bad_arguments(job, error),
            error::ErrorAction::Continue => continued(AttemptOutcome::Continued, None, error.checkpoint.clone()),
            error::ErrorAction::Snooze(delay) => (Decision::Released { delay }, MessageAction::Retry(delay)),
        }
    }

    fn bad_arguments(&self, job: &Claimed, error: &dyn fmt::Display) -> (Decision, MessageAction) {
        let error = error::bad_arguments(&job.ready.message.job, error);
        self.fail(job, AttemptOutcome::Error, error, DeadLetterReason::BadMessage)
    }

    fn try_again(
        &self,
        job: &Claimed,
        outcome: AttemptOutcome,
        error: ErrorText,
        requested: Option<Duration>,
    ) -> (Decision, MessageAction) {
        let policy = &job.ready.route.options.retry;
        match policy.delay(job.token.attempt, self.env.random.unit()) {
            None => self.fail(job, outcome, error, DeadLetterReason::AttemptsExhausted),
            Some(delay) => {
                let delay = requested.unwrap_or(delay);
                (Decision::Retry { outcome, error, delay }, MessageAction::Retry(delay))
            }
        }
    }

    fn fail(
        &self,
        job: &Claimed,
        outcome: AttemptOutcome,
        error: ErrorText,
        reason: DeadLetterReason,
    ) -> (Decision, MessageAction) {
        let action = cause(reason, error.clone());
        let retention = job.ready.route.options.retention.failed;
        (Decision::Failed { outcome, reason, error, retention }, action)
    }
}

fn continued(
    outcome: AttemptOutcome,
    error: Option<ErrorText>,
    checkpoint: Option<Box<RawValue>>,
) -> (Decision, MessageAction) {
    (Decision::Continued { outcome, error, checkpoint }, MessageAction::Retry(Duration::ZERO))
}

/// Delays a retry until `least` has passed, if its policy would try sooner.
fn not_before(least: Duration, decision: Decision, action: MessageAction) -> (Decision, MessageAction) {
    match (decision, action) {
        (Decision::Retry { outcome, error, delay }, MessageAction::Retry(_)) => {
            let delay = delay.max(least);
            (Decision::Retry { outcome, error, delay }, MessageAction::Retry(delay))
        }
        no_retry => no_retry,
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a payload that is not a string")
}
