//! The threads that handlers run on, apart from those that answer the Functions host.

use std::{
    io,
    sync::{Mutex, PoisonError},
    thread::available_parallelism,
};

use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, timeout_at},
};

/// The fewest threads: a handler that blocks one leaves the others.
const FEWEST: usize = 4;

/// Threads for handlers. A handler that blocks its thread cannot be stopped; when all threads are blocked, nothing makes
/// progress any more, and the threads are left behind for new ones.
pub(super) struct Threads(Mutex<Current>);

struct Current {
    /// Counts the replacements.
    generation: u64,
    runtime: Option<Runtime>,
}

impl Threads {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Mutex::new(Current { generation: 0, runtime: Some(runtime()?) })))
    }

    /// Does `work`, and returns its result if it is there at that moment.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        by: Instant,
    ) -> Option<T> {
        let (generation, task) = {
            let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (current.generation, current.runtime.as_ref()?.spawn(work))
        };
        match timeout_at(by, task).await {
            Ok(Ok(result)) => Some(result),
            // It panicked, or its threads were replaced.
            Ok(Err(_)) => None,
            Err(_) => {
                self.replace(generation);
                None
            }
        }
    }

    /// Replaces the threads of that generation, once.
    fn replace(&self, generation: u64) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if current.generation != generation {
            return;
        }
        match runtime() {
            Ok(fresh) => {
                tracing::error!("handlers block all of their threads; the threads are left behind and replaced");
                current.generation += 1;
                if let Some(blocked) = current.runtime.replace(fresh) {
                    // Without waiting for them. What still waits on them is dropped, and its invocation fails at once.
                    blocked.shutdown_background();
                }
            }
            Err(error) => tracing::error!(%error, "handlers block all of their threads, and there are no others"),
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime may not be dropped where it could be waited for.
        let current = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = current.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    let threads = available_parallelism().map_or(FEWEST, usize::from).max(FEWEST);
    Builder::new_multi_thread().worker_threads(threads).thread_name("handlers").enable_all().build()
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc::channel, time::Duration};

    use super::*;

    const LATER: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn work_in_time_has_a_result_and_a_panic_has_none() {
        let threads = Threads::new().unwrap();
        assert_eq!(threads.run(async { 7 }, Instant::now() + LATER).await, Some(7));
        assert_eq!(threads.run(async { panic!("boom") }, Instant::now() + LATER).await, None::<()>);
        assert_eq!(threads.run(async { 8 }, Instant::now() + LATER).await, Some(8), "a panic replaces nothing");
    }

    #[tokio::test]
    async fn blocked_threads_are_replaced_and_nobody_waits_for_them() {
        let threads = Threads::new().unwrap();
        let (release, blocked) = channel::<()>();
        let blocked = std::sync::Arc::new(Mutex::new(blocked));
        let all = available_parallelism().unwrap().get().max(FEWEST);
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let work = || {
            let (blocked, begun) = (blocked.clone(), begun.clone());
            async move {
                begun.send(()).unwrap();
                // The first holds the lock and waits for the channel, the others wait for the lock.
                let _ = blocked.lock().unwrap().recv();
            }
        };
        let blocking: Vec<_> = (0..all).map(|_| threads.run(work(), Instant::now() + LATER)).collect();
        let blocking = futures_util::future::join_all(blocking);
        let wait = async {
            for _ in 0..all {
                has_begun.recv().await.unwrap();
            }
            // Now every thread is blocked: this gets none, and is given up at its time.
            assert_eq!(threads.run(async {}, Instant::now()).await, None);
            assert_eq!(threads.run(async { 9 }, Instant::now() + LATER).await, Some(9), "on new threads");
            drop(release);
        };
        let (ended, ()) = futures_util::future::join(blocking, wait).await;
        assert_eq!(ended.len(), all);
    }
}
