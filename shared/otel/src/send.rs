//! Spans of enqueueing.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{
    backend::EnqueueRequest,
    message::Trace,
    trace::{NewSpan, SendOperation, SendSpan, Tracer},
};
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanKind, Status, TraceContextExt, Tracer as _},
};
use opentelemetry_sdk::trace::Span;

use crate::{
    attributes::{BATCH_COUNT, DESTINATION, ERROR_TYPE, JOB, MESSAGE_ID, OPERATION_NAME, OPERATION_TYPE, SYSTEM},
    context::{span_context, trace},
    traces::Traces,
};

/// The most links of a span (OpenTelemetry SDK, "Span limits").
const MOST_LINKS: usize = 128;

#[async_trait]
impl Tracer for Traces {
    fn begin(&self, new: NewSpan<'_>) -> Box<dyn SendSpan> {
        let verb = match new.operation {
            SendOperation::Create => "create",
            SendOperation::Send => "send",
        };
        // A span whose context no message gets is not that of a producer (conventions, "Span kind").
        let kind = if new.has_contexts { SpanKind::Client } else { SpanKind::Producer };
        let mut attributes = vec![
            KeyValue::new(SYSTEM, new.system),
            KeyValue::new(OPERATION_NAME, verb),
            KeyValue::new(OPERATION_TYPE, verb),
        ];
        attributes.extend(new.queue.map(|queue| KeyValue::new(DESTINATION, queue.to_owned())));
        let builder = self.tracer().span_builder(name(verb, new.queue)).with_kind(kind).with_attributes(attributes);
        let span = self.tracer().build_with_context(builder, &parent(new.origin));
        let trace = trace(span.span_context());
        let (queues, links) = (Queues::None, 0);
        Box::new(Sending { span, trace, verb, is_batch: new.is_batch, count: 0, queues, links })
    }

    async fn flush(&self, within: Duration) {
        Self::flush(self, within).await;
    }
}

/// The current span; or that of the job whose handler sends from a task of its own, where none is current.
fn parent(origin: Option<&Trace>) -> Context {
    let current = Context::current();
    if current.span().span_context().is_valid() {
        return current;
    }
    match origin.and_then(span_context) {
        Some(origin) => current.with_remote_span_context(origin),
        None => current,
    }
}

fn name(verb: &'static str, queue: Option<&str>) -> String {
    queue.map_or_else(|| verb.to_owned(), |queue| format!("{verb} {queue}"))
}

/// The queues of the messages.
enum Queues {
    None,
    One(Arc<str>),
    Several,
}

struct Sending {
    span: Span,
    trace: Option<Trace>,
    verb: &'static str,
    is_batch: bool,
    count: usize,
    queues: Queues,
    links: usize,
}

impl SendSpan for Sending {
    fn trace(&self) -> Option<Trace> {
        self.trace.clone()
    }

    fn add(&mut self, request: &EnqueueRequest) {
        if !self.span.is_recording() {
            return;
        }
        self.count += 1;
        self.queues = match std::mem::replace(&mut self.queues, Queues::Several) {
            Queues::None => Queues::One(request.queue.clone()),
            Queues::One(queue) if queue == request.queue => Queues::One(queue),
            Queues::One(_) | Queues::Several => Queues::Several,
        };
        if !self.is_batch {
            self.span.set_attribute(KeyValue::new(MESSAGE_ID, request.id.to_string()));
            self.span.set_attribute(KeyValue::new(JOB, request.message.job.clone()));
        }
        // A message with a context of its own.
        if self.links < MOST_LINKS
            && request.message.trace != self.trace
            && let Some(other) = request.message.trace.as_ref().and_then(span_context)
        {
            self.span.add_link(other, Vec::new());
            self.links += 1;
        }
    }

    fn end(mut self: Box<Self>, error: Option<&'static str>) {
        if self.is_batch {
            self.span.set_attribute(KeyValue::new(BATCH_COUNT, i64::try_from(self.count).unwrap_or(i64::MAX)));
            if let Queues::One(queue) = &self.queues {
                self.span.set_attribute(KeyValue::new(DESTINATION, queue.to_string()));
                self.span.update_name(name(self.verb, Some(queue)));
            }
        }
        if let Some(error) = error {
            self.span.set_attribute(KeyValue::new(ERROR_TYPE, error));
            self.span.set_status(Status::error(""));
        }
        self.span.end();
    }
}
