//! One execution of a handler, with whatever it does caught.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};

use super::{decision::AttemptEnd, intake::Claimed, outputs};
use crate::{
    context::Context,
    handler::{ErasedHandler, OutcomeFuture},
    ports::{Payloads, StoreError, StoreErrorKind},
};

/// An attempt from its arguments to its handler's outcome. Written as a state machine, since it is moved into a task for
/// each job, and nested `async` blocks have room for what they await twice.
struct Attempt {
    context: Context,
    handler: Option<ErasedHandler>,
    step: Step,
    /// Watches the lease, from when the handler first waits.
    watch: Option<BoxFuture<'static, ()>>,
}

enum Step {
    /// The arguments are stored elsewhere.
    Arguments(BoxFuture<'static, Result<Box<RawValue>, StoreError>>),
    Begin,
    Handler(OutcomeFuture),
}

/// Runs a job's handler until `end_at`.
pub(super) fn attempt(
    job: &Claimed,
    payloads: Option<&Arc<dyn Payloads>>,
    context: Context,
    now: Instant,
    end_at: Instant,
) -> impl Future<Output = AttemptEnd> + Send + use<> {
    let message = context.message();
    let is_complete = message.args_at.is_none() && message.after.iter().all(|after| after.output_as.is_none());
    let step = match is_complete {
        true => Step::Begin,
        false => {
            let left = end_at.saturating_duration_since(now);
            Step::Arguments(Box::pin(elsewhere(context.clone(), payloads.cloned(), left)))
        }
    };
    let observed = context.clone();
    let attempt = Attempt { context, handler: job.ready.route.handler.clone(), step, watch: None };
    let limited = timeout_at(end_at, attempt);
    async move {
        let timed_out = |_| AttemptEnd::TimedOut { after: now.elapsed(), advanced: observed.has_advanced() };
        limited.await.unwrap_or_else(timed_out)
    }
}

impl Future for Attempt {
    type Output = AttemptEnd;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<AttemptEnd> {
        let attempt = self.get_mut();
        catch_unwind(AssertUnwindSafe(|| attempt.go_on(cx)))
            .unwrap_or_else(|panic| Poll::Ready(AttemptEnd::Panicked(panic)))
    }
}

impl Attempt {
    fn go_on(&mut self, cx: &mut task::Context<'_>) -> Poll<AttemptEnd> {
        if let Poll::Ready(end) = self.handle(cx) {
            return Poll::Ready(end);
        }
        if !self.context.is_tracked() {
            return Poll::Pending;
        }
        let context = &self.context;
        let watch = self.watch.get_or_insert_with(|| {
            let context = context.clone();
            Box::pin(async move { context.watch_lease().await })
        });
        watch.as_mut().poll(cx).map(|()| AttemptEnd::LeaseLost)
    }

    fn handle(&mut self, cx: &mut task::Context<'_>) -> Poll<AttemptEnd> {
        loop {
            match &mut self.step {
                Step::Arguments(args) => match ready!(args.as_mut().poll(cx)) {
                    Ok(args) => {
                        self.context.args_were_fetched(args);
                        self.step = Step::Begin;
                    }
                    Err(error) => return Poll::Ready(AttemptEnd::NoArguments(error)),
                },
                Step::Begin => match self.handler.as_ref().map(|handler| handler(self.context.clone())) {
                    Some(Ok(future)) => self.step = Step::Handler(self.logged(future)),
                    Some(Err(error)) => return Poll::Ready(AttemptEnd::BadArguments(error)),
                    None => return Poll::Ready(AttemptEnd::HandedBack),
                },
                Step::Handler(future) => return future.as_mut().poll(cx).map(AttemptEnd::Returned),
            }
        }
    }

    #[cfg(feature = "job-log")]
    fn logged(&self, handler: OutcomeFuture) -> OutcomeFuture {
        Box::pin(crate::job_log::within(self.context.clone(), handler))
    }

    #[cfg(not(feature = "job-log"))]
    fn logged(&self, handler: OutcomeFuture) -> OutcomeFuture {
        handler
    }
}

/// The longest that a bucket gets for the arguments of a job.
const LONGEST_FETCH: Duration = Duration::from_secs(20);

/// The arguments that a message only refers to: within half of the attempt's time, so that a bucket that is silent is
/// not taken for a handler that is slow.
async fn fetch(payloads: Option<&dyn Payloads>, reference: &str, left: Duration) -> Result<Box<RawValue>, StoreError> {
    match payloads {
        Some(payloads) => timeout((left / 2).min(LONGEST_FETCH), payloads.get(reference))
            .await
            .unwrap_or_else(|_| Err(StoreError::unavailable("the bucket gave no answer in time"))),
        None => Err(StoreError::new(
            StoreErrorKind::Invalid,
            format_args!("they are at {reference:?}, and no bucket for large arguments is configured here"),
        )),
    }
}

/// The arguments of a job whose message does not have all of them.
async fn elsewhere(
    context: Context,
    payloads: Option<Arc<dyn Payloads>>,
    left: Duration,
) -> Result<Box<RawValue>, StoreError> {
    let message = context.message();
    let mut args = None;
    if let Some(reference) = &message.args_at {
        args = Some(fetch(payloads.as_deref(), reference, left).await?);
    }
    if message.after.iter().any(|after| after.output_as.is_some()) {
        let known = args.as_deref().unwrap_or(&message.args);
        args = Some(outputs::with_outputs(&context, known, left / 2).await?);
    }
    Ok(args.unwrap_or_else(|| message.args.clone()))
}
