//! Saying that something has changed, to pages that are open.

use std::{
    convert::Infallible,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use axum::response::{IntoResponse, Response, Sse, sse::Event};
use futures_util::stream;
use tokio::{sync::watch, time::Instant};

use crate::{desk::Shared, problem::Problem};

/// How long a stream goes on. The browser then opens another.
const LASTS: Duration = Duration::from_secs(300);
/// The streams that are open at most.
const MOST: usize = 200;
/// How often pages look again though nothing that is watched has changed, in looks: a job's progress, for instance.
const ANYWAY: u64 = 5;

/// Watches a site for all open pages, while there are any.
pub(crate) struct Live {
    shared: Arc<Shared>,
    every: Duration,
    watching: Mutex<Weak<Watching>>,
}

/// What open pages hold. With the last of them, the watcher ends.
struct Watching {
    changes: watch::Receiver<u64>,
    watcher: tokio::task::AbortHandle,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Live {
    pub(crate) fn new(shared: Arc<Shared>, every: Duration) -> Self {
        Self { shared, every: every.max(Duration::from_millis(200)), watching: Mutex::default() }
    }

    /// A stream of changes.
    pub(crate) fn stream(&self) -> Response {
        let Some(watching) = self.watch() else {
            return Problem::unavailable("Too many pages are open; this one asks for itself.").into_response();
        };
        let changes = watching.changes.clone();
        let ends = Instant::now() + LASTS;
        let events = stream::unfold((watching, changes, true), move |(watching, mut changes, is_first)| async move {
            if !is_first && !matches!(tokio::time::timeout_at(ends, changes.changed()).await, Ok(Ok(()))) {
                return None;
            }
            let number = *changes.borrow_and_update();
            let event = Event::default().event("changed").data(number.to_string());
            Some((Ok::<_, Infallible>(event), (watching, changes, false)))
        });
        Sse::new(events).keep_alive(axum::response::sse::KeepAlive::new()).into_response()
    }

    fn watch(&self) -> Option<Arc<Watching>> {
        let mut held = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watching) = held.upgrade() {
            return (Arc::strong_count(&watching) <= MOST).then_some(watching);
        }
        let (sender, changes) = watch::channel(0);
        let (shared, every) = (self.shared.clone(), self.every);
        let watcher = tokio::spawn(async move {
            let mut last = shared.fingerprint().await;
            for look in 1_u64.. {
                tokio::time::sleep(every).await;
                let now = shared.fingerprint().await;
                if now != last || look % ANYWAY == 0 {
                    last = now;
                    sender.send_modify(|number| *number += 1);
                }
            }
        });
        let watching = Arc::new(Watching { changes, watcher: watcher.abort_handle() });
        *held = Arc::downgrade(&watching);
        Some(watching)
    }
}

impl Shared {
    /// A number that is another one when what most pages show has changed.
    async fn fingerprint(&self) -> u64 {
        let (queues, errors, hour) = tokio::join!(self.queues(), self.errors(), self.hour());
        let mut hash = DefaultHasher::new();
        for queue in queues.iter().flat_map(|queues| queues.iter()) {
            let consumer = queue.consumer;
            (&queue.queue, queue.waiting, queue.in_flight, queue.delayed, queue.dead_letters, consumer).hash(&mut hash);
        }
        for group in errors.iter().flat_map(|groups| groups.iter()) {
            (group.fingerprint, group.failures).hash(&mut hash);
        }
        for point in hour.iter().flat_map(|hour| hour.1.iter()).flat_map(|rollup| &rollup.points) {
            (point.start, point.succeeded, point.retried, point.failed).hash(&mut hash);
        }
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::testing::site;

    #[tokio::test(start_paused = true)]
    async fn a_watcher_runs_while_a_page_is_open_and_a_stream_ends_by_itself() {
        let live = Live::new(Shared::new(site()), Duration::from_secs(1));
        let mut body = live.stream().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&first[..], b"event: changed\ndata: 0\n\n");
        let watcher = live.watch().unwrap().watcher.clone();
        assert!(!watcher.is_finished());
        let started = Instant::now();
        while body.frame().await.is_some() {}
        assert!(started.elapsed() <= LASTS, "{:?}", started.elapsed());
        drop(body);
        tokio::task::yield_now().await;
        assert!(watcher.is_finished());
    }
}
