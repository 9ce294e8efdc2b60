//! Traces: the port through which the spans of sending are made, and how trace contexts get into messages.
//!
//! Nothing is traced unless a [`Tracer`] is [installed]. `lamplighter-otel` has one for OpenTelemetry, and the
//! [layer](crate::layer) for the spans of handlers, which reads the context of the job's
//! [message](crate::message::Message::trace). Without a tracer, enqueueing costs one look at an empty cell more, and
//! only passes on the context that a job's own message has.
//!
//! [installed]: install

mod context;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;

pub use self::context::Trace;
use crate::backend::EnqueueRequest;

static TRACER: OnceLock<Arc<dyn Tracer>> = OnceLock::new();

/// Makes the spans of sending, and exports spans.
#[async_trait]
pub trait Tracer: Send + Sync + 'static {
    /// Begins a span, as a part of what the caller does now.
    fn begin(&self, span: NewSpan<'_>) -> Box<dyn SendSpan>;

    /// Exports the spans that have ended. The caller waits for `within` at most, and drops the future then.
    async fn flush(&self, within: Duration);
}

/// A span to begin: of the creation of messages, or of sending them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NewSpan<'a> {
    /// Whether messages are sent, or only made, to be sent later.
    pub operation: SendOperation,
    /// What carries them: see [`Queues::messaging_system`](crate::backend::Queues::messaging_system).
    pub system: &'static str,
    /// The queue, where it is known that there is only one.
    pub queue: Option<&'a str>,
    /// Whether there may be any number of messages.
    pub is_batch: bool,
    /// Whether the messages have contexts of their own, which stay in them.
    pub has_contexts: bool,
    /// The context to continue where the caller does nothing that is traced: that of the job whose handler sends.
    pub origin: Option<&'a Trace>,
}

/// What is done with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOperation {
    /// They are made, and written down beside the caller's own data.
    Create,
    /// They are put on their queues.
    Send,
}

/// A span of sending, under way. Dropped, it ends.
pub trait SendSpan: Send {
    /// Its context, for the messages that have none; `None` where nothing is traced.
    fn trace(&self) -> Option<Trace>;

    /// Adds a message.
    fn add(&mut self, request: &EnqueueRequest);

    /// Ends it, with the kind of the first error.
    fn end(self: Box<Self>, error: Option<&'static str>);
}

/// There is a tracer already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process has a tracer already: install it once, at the start of the program")]
pub struct AlreadyInstalled;

/// Installs the tracer of this process, for its rest.
///
/// # Errors
/// When there is one already.
pub fn install(tracer: Arc<dyn Tracer>) -> Result<(), AlreadyInstalled> {
    TRACER.set(tracer).map_err(|_| AlreadyInstalled)
}

/// Whether there is a tracer.
#[must_use]
pub fn is_installed() -> bool {
    tracer().is_some()
}

pub(crate) fn tracer() -> Option<&'static Arc<dyn Tracer>> {
    TRACER.get()
}

/// Exports the spans that have ended, before the host freezes or ends the process. Returns after `within` at the
/// latest, and at once without a tracer.
pub async fn flush(within: Duration) {
    if let Some(tracer) = tracer()
        && tokio::time::timeout(within, tracer.flush(within)).await.is_err()
    {
        tracing::debug!(?within, "spans were not exported in time");
    }
}
