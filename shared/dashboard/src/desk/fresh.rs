//! Values that are read at most once in a while, however many look.

use std::{future::Future, time::Duration};

use tokio::{sync::Mutex, time::Instant};

/// A value that stays fresh for a while. A reader that asks for it meanwhile waits for that same answer.
#[derive(Debug)]
pub(super) struct Fresh<T> {
    lasts: Duration,
    held: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Fresh<T> {
    pub(super) fn lasting(lasts: Duration) -> Self {
        Self { lasts, held: Mutex::new(None) }
    }

    /// The value, read anew if it is older than it may be. `read` has its own deadline.
    pub(super) async fn get(&self, read: impl Future<Output = T>) -> T {
        let mut held = self.held.lock().await;
        if let Some((at, value)) = &*held
            && at.elapsed() < self.lasts
        {
            return value.clone();
        }
        let value = read.await;
        *held = Some((Instant::now(), value.clone()));
        value
    }

    /// The value that was read last, unless it was too long ago. Nothing is read.
    pub(super) fn seen(&self, within: Duration) -> Option<T> {
        let held = self.held.try_lock().ok()?;
        held.as_ref().filter(|(at, _)| at.elapsed() < within).map(|(_, value)| value.clone())
    }

    /// Forgets the value: something was changed.
    pub(super) async fn forget(&self) {
        *self.held.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_readers_cost_one_read_a_second() {
        let (fresh, reads) = (Fresh::lasting(Duration::from_secs(1)), AtomicU32::new(0));
        let read = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            reads.fetch_add(1, Ordering::Relaxed) + 1
        };
        let (a, b, c) = tokio::join!(fresh.get(read()), fresh.get(read()), fresh.get(read()));
        assert_eq!((a, b, c), (1, 1, 1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(fresh.get(read()).await, 2);
        fresh.forget().await;
        assert_eq!(fresh.get(read()).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_goes_away_leaves_the_reading_to_the_next() {
        let fresh = Fresh::lasting(Duration::from_secs(1));
        let gone = tokio::time::timeout(Duration::from_millis(10), fresh.get(std::future::pending())).await;
        assert!(gone.is_err());
        assert_eq!(fresh.get(async { 7 }).await, 7);
    }
}
