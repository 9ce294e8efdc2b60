//! Spans of handlers.

use std::{pin::Pin, task};

use lamplighter::{
    JobError,
    layer::{EndKind, Execution, JobErrorKind, Layer, Output, Service},
};
use opentelemetry::{
    Context, KeyValue,
    trace::{FutureExt, Link, SpanContext, SpanKind, Status, TraceContextExt, Tracer},
};

use crate::{
    attributes::{
        ATTEMPT, BATCH, DESTINATION, ERROR_TYPE, JOB, MESSAGE_ID, OPERATION_NAME, OPERATION_TYPE, OUTCOME, SCHEDULE,
        SYSTEM,
    },
    context::{span_context, trace},
    traces::Traces,
};

impl<S> Layer<S> for Traces {
    type Service = TracedService<S>;

    fn layer(&self, inner: S) -> TracedService<S> {
        TracedService { inner, traces: self.clone() }
    }
}

/// The service of [`Traces`].
#[derive(Debug, Clone)]
pub struct TracedService<S> {
    inner: S,
    traces: Traces,
}

impl<S> Service<Execution> for TracedService<S>
where
    S: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static>,
{
    type Response = Output;
    type Error = JobError;
    type Future = Pin<Box<dyn Future<Output = Result<Output, JobError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), JobError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, execution: Execution) -> Self::Future {
        if self.traces.is_off() {
            let future = self.inner.call(execution);
            return Box::pin(async move { future.await.map_err(Into::into) });
        }
        let attempt = Attempt::begin(&self.traces, execution.clone());
        let context = attempt.context.clone();
        let future = {
            let _current = context.clone().attach();
            self.inner.call(execution)
        };
        let traced = async move {
            let outcome = future.await.map_err(Into::into);
            attempt.end(&outcome);
            outcome
        };
        Box::pin(traced.with_context(context))
    }
}

/// An execution under way.
struct Attempt {
    context: Context,
    execution: Execution,
    is_over: bool,
}

impl Attempt {
    fn begin(traces: &Traces, execution: Execution) -> Self {
        let message = execution.context().message();
        let creation = message.trace.as_ref().and_then(span_context);
        let mut attributes = vec![
            KeyValue::new(SYSTEM, execution.messaging_system()),
            KeyValue::new(OPERATION_NAME, "process"),
            KeyValue::new(OPERATION_TYPE, "process"),
            KeyValue::new(DESTINATION, execution.queue().to_owned()),
            KeyValue::new(MESSAGE_ID, execution.id().to_string()),
            KeyValue::new(JOB, execution.job()),
            KeyValue::new(ATTEMPT, i64::from(execution.attempt())),
        ];
        attributes.extend(message.batch.as_ref().map(|batch| KeyValue::new(BATCH, batch.id.to_string())));
        attributes.extend(message.schedule.as_ref().map(|schedule| KeyValue::new(SCHEDULE, schedule.clone())));
        let mut builder = traces.tracer().span_builder(format!("process {}", execution.queue()));
        builder = builder.with_kind(SpanKind::Consumer).with_attributes(attributes);
        if let Some(creation) = &creation {
            builder = builder.with_links(vec![Link::with_context(creation.clone())]);
        }
        // Of nothing that is current here: that is the worker's, not the job's.
        let parent = match creation {
            Some(creation) if is_parent(&creation, message.batch.is_some()) => {
                Context::new().with_remote_span_context(creation)
            }
            _ => Context::new(),
        };
        let context = parent.with_span(traces.tracer().build_with_context(builder, &parent));
        if let Some(trace) = trace(context.span().span_context()) {
            execution.continue_trace(trace);
        }
        Self { context, execution, is_over: false }
    }

    fn end(mut self, outcome: &Result<Output, JobError>) {
        self.is_over = true;
        let kind = EndKind::of(outcome, self.execution.context());
        match outcome {
            Err(error) if self.context.span().is_recording() && is_error(kind) => {
                let error_type = match error.kind() {
                    JobErrorKind::BadArguments => "bad_arguments",
                    _ => kind.as_str(),
                };
                self.end_as(kind, Some((error_type, self.execution.error_text(error).to_string())));
            }
            _ => self.end_as(kind, None),
        }
    }

    fn end_as(&self, kind: EndKind, error: Option<(&'static str, String)>) {
        let span = self.context.span();
        span.set_attribute(KeyValue::new(OUTCOME, kind.as_str()));
        if let Some((error_type, text)) = error {
            span.set_attribute(KeyValue::new(ERROR_TYPE, error_type));
            span.set_status(Status::error(text));
        }
        span.end();
    }
}

/// Whether the span of a handler is a child of that of enqueueing, as the conventions allow for single messages. The
/// jobs of a batch are traces of their own, linked to it: there may be a hundred thousand. A link to what is not
/// sampled would lead nowhere, so such a job stays in its trace, where it is not sampled either.
fn is_parent(creation: &SpanContext, is_of_batch: bool) -> bool {
    !is_of_batch || !creation.is_sampled()
}

/// Whether an execution that ended so has failed.
fn is_error(kind: EndKind) -> bool {
    matches!(kind, EndKind::Retried | EndKind::Failed | EndKind::TimedOut | EndKind::Panicked)
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let kind = EndKind::of_dropped(self.execution.context());
        self.end_as(kind, is_error(kind).then(|| (kind.as_str(), String::new())));
    }
}
