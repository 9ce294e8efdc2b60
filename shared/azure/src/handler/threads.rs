//! The threads of handlers, separate from those that answer the Functions host.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout_at},
};

/// The minimum number of threads: a handler that blocks one leaves the others.
const FEWEST: usize = 4;
/// Work that has not begun after this time waits for threads that are all blocked.
const BEGIN: Duration = Duration::from_secs(2);

/// Threads for handlers. A handler that blocks its thread cannot be stopped; when all threads are blocked, they are
/// abandoned, and work that has not begun runs on new ones.
pub(super) struct Threads(Mutex<Current>);

struct Current {
    /// Counts the replacements.
    generation: u64,
    runtime: Option<Runtime>,
    /// The previous threads, on which a blocked handler may still end.
    left_behind: Option<Runtime>,
}

impl Threads {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Mutex::new(Current { generation: 0, runtime: Some(runtime()?), left_behind: None })))
    }

    /// Runs the work once, and returns its result if it is available by then.
    pub(super) async fn run<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: impl Fn() -> F,
        by: Instant,
    ) -> Option<T> {
        loop {
            let taken = Arc::new(AtomicBool::new(false));
            let (tell, begun) = oneshot::channel();
            let (mine, work) = (taken.clone(), work());
            let (generation, task) = self.spawn(async move {
                if mine.swap(true, Ordering::AcqRel) {
                    return None;
                }
                let _ = tell.send(());
                Some(work.await)
            })?;
            tokio::select! {
                biased;
                _ = begun => return result(task, by).await,
                () = sleep_until((Instant::now() + BEGIN).min(by)) => {}
            }
            if taken.swap(true, Ordering::AcqRel) {
                // It has just begun.
                return result(task, by).await;
            }
            if Instant::now() >= by {
                return None;
            }
            self.replace(generation);
        }
    }

    fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Option<(u64, JoinHandle<T>)> {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some((current.generation, current.runtime.as_ref()?.spawn(work)))
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
                let blocked = current.runtime.replace(fresh);
                let before = std::mem::replace(&mut current.left_behind, blocked);
                if let Some(before) = before {
                    // Without waiting for them. Work that still waits on them is dropped, and its invocation fails.
                    before.shutdown_background();
                }
            }
            Err(error) => tracing::error!(%error, "handlers block all of their threads, and there are no others"),
        }
    }
}

/// Returns the result of work that has begun; `None` if it panicked, or its threads were dropped.
async fn result<T>(task: JoinHandle<Option<T>>, by: Instant) -> Option<T> {
    timeout_at(by, task).await.ok()?.ok()?
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A runtime must not be dropped where it could block on its threads.
        let current = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let all = [current.runtime.take(), current.left_behind.take()];
        all.into_iter().flatten().for_each(Runtime::shutdown_background);
    }
}

fn runtime() -> io::Result<Runtime> {
    let threads = available_parallelism().map_or(FEWEST, usize::from).max(FEWEST);
    Builder::new_multi_thread().worker_threads(threads).thread_name("handlers").enable_all().build()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures_util::future::{join, join_all};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    const LATER: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn work_in_time_has_a_result_and_a_panic_has_none() {
        let threads = Threads::new().unwrap();
        assert_eq!(threads.run(|| async { 7 }, Instant::now() + LATER).await, Some(7));
        assert_eq!(threads.run(|| async { panic!("boom") }, Instant::now() + LATER).await, None::<()>);
        assert_eq!(threads.run(std::future::pending::<()>, Instant::now()).await, None);
    }

    #[tokio::test]
    async fn blocked_threads_are_replaced_without_waiting() {
        let threads = Threads::new().unwrap();
        let (release, blocked) = channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let all = available_parallelism().unwrap().get().max(FEWEST);
        let (begun, mut has_begun) = unbounded_channel();
        let block = || {
            let (blocked, begun) = (blocked.clone(), begun.clone());
            async move {
                begun.send(()).unwrap();
                // The first holds the lock and waits for the channel, the others wait for the lock.
                let _ = blocked.lock().unwrap().recv();
            }
        };
        let blocking = join_all((0..all).map(|_| threads.run(block, Instant::now() + LATER)));
        let others = async {
            for _ in 0..all {
                has_begun.recv().await.unwrap();
            }
            assert_eq!(threads.run(|| async { 9 }, Instant::now() + LATER).await, Some(9), "on new threads");
            drop(release);
        };
        let (ended, ()) = join(blocking, others).await;
        assert_eq!(ended, vec![Some(()); all], "those that were blocked go on where they are");
    }
}
