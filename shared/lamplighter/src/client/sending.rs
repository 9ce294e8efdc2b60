//! The span of enqueueing, where there is a tracer.

use crate::{
    message::Trace,
    ports::{EnqueueError, EnqueueRequest},
    trace::{self, NewSpan, SendOperation, SendSpan},
};

use super::{Client, Origin};

/// The span of enqueueing; without a tracer, nothing.
pub(super) struct Sending {
    span: Option<Box<dyn SendSpan>>,
    trace: Option<Trace>,
}

impl Sending {
    /// One job.
    pub(super) fn one(client: &Client, queue: &str, has_context: bool) -> Self {
        Self::begin(NewSpan { queue: Some(queue), has_contexts: has_context, ..new(client, SendOperation::Send) })
    }

    /// Any number of jobs.
    pub(super) fn many(client: &Client) -> Self {
        Self::begin(NewSpan { is_batch: true, ..new(client, SendOperation::Send) })
    }

    /// Any number of jobs, whose messages were made earlier.
    pub(super) fn earlier(client: &Client) -> Self {
        Self::begin(NewSpan { is_batch: true, has_contexts: true, ..new(client, SendOperation::Send) })
    }

    /// One job that somebody sends later.
    pub(super) fn create(system: &'static str, origin: &Origin, queue: &str, has_context: bool) -> Self {
        // Its context would be of no use.
        if has_context {
            return Self { span: None, trace: None };
        }
        Self::begin(NewSpan {
            operation: SendOperation::Create,
            system,
            queue: Some(queue),
            is_batch: false,
            has_contexts: false,
            origin: origin.trace.as_ref(),
        })
    }

    fn begin(new: NewSpan<'_>) -> Self {
        let Some(tracer) = trace::tracer() else { return Self { span: None, trace: None } };
        let span = tracer.begin(new);
        let trace = span.trace();
        Self { span: Some(span), trace }
    }

    /// The context for messages.
    pub(super) fn trace<'a>(&'a self, origin: &'a Origin) -> Option<&'a Trace> {
        self.trace.as_ref().or(origin.trace.as_ref())
    }

    pub(super) fn add(&mut self, request: &EnqueueRequest) {
        if let Some(span) = &mut self.span {
            span.add(request);
        }
    }

    /// Ends it, with the first of the errors.
    pub(super) fn end<'a>(self, mut errors: impl Iterator<Item = &'a EnqueueError>) {
        if let Some(span) = self.span {
            span.end(errors.next().map(EnqueueError::kind));
        }
    }

    /// As [`end`](Self::end), of one call.
    pub(super) fn end_with<T>(self, answer: Result<T, EnqueueError>) -> Result<T, EnqueueError> {
        self.end(answer.as_ref().err().into_iter());
        answer
    }
}

fn new(client: &Client, operation: SendOperation) -> NewSpan<'_> {
    NewSpan {
        operation,
        system: client.shared.backend.queues.messaging_system(),
        queue: None,
        is_batch: false,
        has_contexts: false,
        origin: client.origin.trace.as_ref(),
    }
}
