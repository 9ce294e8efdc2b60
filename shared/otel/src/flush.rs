//! Exporting at once, for a limited time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::{sync::oneshot, time::timeout};

/// Exports what has ended, one call after the other. OpenTelemetry's own function for it blocks its caller, for up to
/// five seconds: it gets a thread.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    turn: tokio::sync::Mutex<()>,
    /// The last one.
    last: Mutex<Option<Arc<Flush>>>,
}

#[derive(Debug, Default)]
struct Flush {
    has_ended: AtomicBool,
    /// Whether nobody waits for it any more.
    is_abandoned: AtomicBool,
}

impl Flush {
    /// Whether it still waits for a receiver that was too slow for its caller.
    fn is_late(&self) -> bool {
        self.is_abandoned.load(Ordering::Acquire) && !self.has_ended.load(Ordering::Acquire)
    }
}

/// A caller that waits.
struct Waiting(Arc<Flush>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Release);
    }
}

impl Flusher {
    /// Returns after `within` at the latest, and at once while an earlier call's export still waits for its receiver:
    /// then one silent receiver does not delay every invocation.
    pub(crate) async fn flush(&self, provider: &SdkTracerProvider, within: Duration) {
        let is_late = self.last().as_ref().is_some_and(|last| last.is_late());
        if is_late || timeout(within, self.flush_all(provider)).await.is_err() {
            tracing::debug!(
                is_late,
                "spans were not exported in time; they are exported later, if the process goes on"
            );
        }
    }

    async fn flush_all(&self, provider: &SdkTracerProvider) {
        let _turn = self.turn.lock().await;
        let flush = Arc::new(Flush::default());
        *self.last() = Some(flush.clone());
        let waiting = Waiting(flush.clone());
        let (done, ended) = oneshot::channel();
        let provider = provider.clone();
        let work = move || {
            // Its errors are in the logs.
            let _ = provider.force_flush();
            flush.has_ended.store(true, Ordering::Release);
            let _ = done.send(());
        };
        match thread::Builder::new().name("lamplighter-otel".into()).spawn(work) {
            Ok(_) => drop(ended.await),
            Err(error) => tracing::warn!(%error, "spans are exported later: no thread for it"),
        }
        drop(waiting);
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Arc<Flush>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
