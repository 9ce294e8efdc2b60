//! What an attempt's end means: for the record, and for the message.

use std::{any::Any, fmt, time::Duration};

use serde_json::value::RawValue;

use super::{
    Inner,
    intake::{Claimed, back_off, burial},
};
use crate::{
    delivery::{Action, BurialReason},
    error::{self, ErrorText, JobError},
    handler::Outcome,
    misfit::Misfit,
    ports::{StoreError, StoreErrorKind, Verdict},
    record::{AttemptOutcome, Record},
};

/// How an attempt ended, seen from outside the handler.
pub(super) enum End {
    Returned(Outcome),
    /// The arguments do not fit the job's type.
    BadArguments(Misfit),
    Panicked(Box<dyn Any + Send>),
    /// After this time.
    TimedOut(Duration),
    /// Its arguments lie elsewhere, and could not be had.
    NoArguments(StoreError),
    /// Its job was cancelled or went to another attempt, and the handler did not listen: it was dropped at its next await.
    LeaseLost,
    /// Never began, or was cut off by a stopping host.
    HandedBack,
}

impl Inner {
    /// The verdict on an attempt, and what becomes of its message.
    pub(super) fn judge(&self, job: &Claimed, args: &RawValue, end: End) -> (Verdict, Action) {
        let options = &job.ready.route.options;
        let retention = options.retention_policy();
        match end {
            End::Returned(Ok(Some(output))) if job.tracked && output.get().len() > Record::MAX_VALUE_BYTES => {
                // Once more would be as large again.
                let error = ErrorText::new(format!(
                    "returned {} bytes, and a record keeps {}: put the data into an object store and return its key",
                    output.get().len(),
                    Record::MAX_VALUE_BYTES
                ));
                self.fail(job, AttemptOutcome::Error, error, BurialReason::Failed)
            }
            End::Returned(Ok(output)) => (Verdict::Succeeded { output, retention: retention.succeeded }, Action::Ack),
            End::Returned(Err(error)) => self.judge_error(job, args, &error),
            End::BadArguments(error) => self.bad_arguments(job, &error),
            End::Panicked(payload) => {
                let text = format!("panicked: {}", panic_text(&*payload));
                let error = match job.ready.route.redactor(args) {
                    Some(redactor) => ErrorText::new(redactor.text(&text)),
                    None => ErrorText::new(text),
                };
                self.try_again(job, AttemptOutcome::Panic, error, None)
            }
            End::TimedOut(after) => {
                let timeout = options.attempt_timeout();
                let error = if after >= timeout {
                    ErrorText::new(format!("took longer than its timeout of {timeout:?}"))
                } else {
                    ErrorText::new(format!(
                        "was ended after {:.1} s by its invocation's deadline; its own timeout is {timeout:?}",
                        after.as_secs_f64()
                    ))
                };
                self.try_again(job, AttemptOutcome::TimedOut, error, None)
            }
            End::NoArguments(error) if error.kind() == StoreErrorKind::Unavailable => {
                let delay = back_off(job.ready.delivery.receive_count);
                tracing::warn!(id = %job.ready.id, %error, "its arguments could not be had, put back");
                (Verdict::PutBack { delay }, Action::Release(Some(delay)))
            }
            End::NoArguments(error) => {
                let error = ErrorText::new(format!("its arguments are not to be had: {error}"));
                self.fail(job, AttemptOutcome::Error, error, BurialReason::BadMessage)
            }
            End::LeaseLost => {
                let attempt = job.token.attempt;
                tracing::warn!(id = %job.ready.id, attempt, "lost its lease and did not end by itself: its place goes on");
                // The fence drops this.
                (Verdict::PutBack { delay: Duration::ZERO }, Action::Release(None))
            }
            End::HandedBack => (Verdict::PutBack { delay: Duration::ZERO }, Action::Release(Some(Duration::ZERO))),
        }
    }

    fn judge_error(&self, job: &Claimed, args: &RawValue, error: &JobError) -> (Verdict, Action) {
        let text = || error.redacted_text(job.ready.route.redactor(args).as_ref());
        match error.verdict {
            error::Verdict::Retry => self.try_again(job, AttemptOutcome::Error, text(), None),
            error::Verdict::RetryIn(delay) => self.try_again(job, AttemptOutcome::Error, text(), Some(delay)),
            error::Verdict::RetryAfter(least) => {
                let (verdict, action) = self.try_again(job, AttemptOutcome::Error, text(), None);
                not_before(least, verdict, action)
            }
            error::Verdict::Fail => self.fail(job, AttemptOutcome::Error, text(), BurialReason::Failed),
            error::Verdict::BadArguments => self.bad_arguments(job, error),
            error::Verdict::Snooze(delay) => (Verdict::PutBack { delay }, Action::Retry(delay)),
        }
    }

    /// The text is a [`Misfit`](crate::Misfit)'s: it holds no value.
    fn bad_arguments(&self, job: &Claimed, error: &dyn fmt::Display) -> (Verdict, Action) {
        let error = ErrorText::new(format!("the arguments do not fit {}: {error}", job.ready.message.job));
        self.fail(job, AttemptOutcome::Error, error, BurialReason::BadMessage)
    }

    fn try_again(
        &self,
        job: &Claimed,
        outcome: AttemptOutcome,
        error: ErrorText,
        told: Option<Duration>,
    ) -> (Verdict, Action) {
        let policy = job.ready.route.options.retry_policy();
        match policy.delay(job.token.attempt, self.env.random.unit()) {
            None => self.fail(job, outcome, error, BurialReason::AttemptsExhausted),
            Some(delay) => {
                let delay = told.unwrap_or(delay);
                (Verdict::Retry { outcome, error, delay }, Action::Retry(delay))
            }
        }
    }

    fn fail(
        &self,
        job: &Claimed,
        outcome: AttemptOutcome,
        error: ErrorText,
        reason: BurialReason,
    ) -> (Verdict, Action) {
        let action = burial(reason, error.clone());
        let retention = job.ready.route.options.retention_policy().failed;
        (Verdict::Failed { outcome, reason, error, retention }, action)
    }
}

/// Puts a retry off until `least` has passed, where its policy would try sooner.
fn not_before(least: Duration, verdict: Verdict, action: Action) -> (Verdict, Action) {
    match (verdict, action) {
        (Verdict::Retry { outcome, error, delay }, Action::Retry(_)) => {
            let delay = delay.max(least);
            (Verdict::Retry { outcome, error, delay }, Action::Retry(delay))
        }
        no_retry => no_retry,
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with something that is no text")
}
