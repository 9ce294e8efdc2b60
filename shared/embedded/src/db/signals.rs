//! Notifies waiting callers of commits.

use std::{
    array,
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// Jobs are watched by the hash of their id: a watcher is woken for its own job, and for one in 64 of the others.
const SHARDS: usize = 64;

/// The effects of a transaction that others wait for.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Queues with messages that are new, or visible earlier.
    queues: Vec<i64>,
    /// A bit for each shard with a job whose record has changed.
    changed: u64,
    /// Whether the schedules have changed.
    schedules: bool,
    /// Whether a queue was paused or resumed.
    pauses: bool,
}

impl Effects {
    pub(crate) fn queue(&mut self, queue: i64) {
        if !self.queues.contains(&queue) {
            self.queues.push(queue);
        }
    }

    pub(crate) fn job(&mut self, id: &str) {
        self.changed |= 1 << shard(id);
    }

    pub(crate) fn schedules(&mut self) {
        self.schedules = true;
    }

    pub(crate) fn pauses(&mut self) {
        self.pauses = true;
    }
}

fn shard(id: &str) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(id);
    usize::try_from(hash % SHARDS as u64).unwrap_or(0)
}

/// Wakes waiting callers after each commit.
pub(crate) struct Signals {
    queues: Mutex<HashMap<i64, Arc<Notify>>>,
    jobs: [watch::Sender<()>; SHARDS],
    schedules: Notify,
    pauses: watch::Sender<()>,
    leapt: Mutex<Option<Instant>>,
}

/// Nothing is purged for this long after the clock has jumped forward: a machine that has just started sets its clock
/// within minutes.
const DISTRUST: Duration = Duration::from_secs(600);

impl Signals {
    pub(crate) fn new() -> Self {
        Self {
            queues: Mutex::default(),
            jobs: array::from_fn(|_| watch::Sender::new(())),
            schedules: Notify::new(),
            pauses: watch::Sender::new(()),
            leapt: Mutex::default(),
        }
    }

    pub(crate) fn publish(&self, effects: &Effects) {
        if !effects.queues.is_empty() {
            let waiting = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            for queue in &effects.queues {
                if let Some(notify) = waiting.get(queue) {
                    notify.notify_one();
                }
            }
        }
        let mut changed = effects.changed;
        while changed != 0 {
            self.jobs[changed.trailing_zeros() as usize].send_replace(());
            changed &= changed - 1;
        }
        if effects.schedules {
            self.schedules.notify_one();
        }
        if effects.pauses {
            self.pauses.send_replace(());
        }
    }

    /// Wakes all listeners: another process has written an unknown change.
    pub(crate) fn everything(&self) {
        for notify in self.queues.lock().unwrap_or_else(PoisonError::into_inner).values() {
            notify.notify_one();
        }
        for sender in &self.jobs {
            sender.send_replace(());
        }
        self.schedules.notify_one();
        self.pauses.send_replace(());
    }

    /// Records that the clock has jumped far forward.
    pub(crate) fn leapt(&self) {
        *self.leapt.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns whether the clock has jumped forward recently.
    pub(crate) fn has_just_leapt(&self) -> bool {
        self.leapt.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < DISTRUST)
    }

    /// Notified of each change of the queue, also between two waits. For one listener per queue.
    pub(crate) fn of_queue(&self, queue: i64) -> Arc<Notify> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(queue).or_default().clone()
    }

    /// Notified of each change of the job from now on, and of some others.
    pub(crate) fn of_job(&self, id: &str) -> watch::Receiver<()> {
        self.jobs[shard(id)].subscribe()
    }

    /// Notified when a queue may have been paused or resumed; the first time immediately.
    pub(crate) fn of_pauses(&self) -> watch::Receiver<()> {
        let mut pauses = self.pauses.subscribe();
        pauses.mark_changed();
        pauses
    }

    /// Resolves after the schedules have changed.
    pub(crate) async fn of_schedules(&self) {
        self.schedules.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn signals_wake_only_their_job_and_queue() {
        let signals = Signals::new();
        let mut job = signals.of_job("a");
        let (queue, other) = (signals.of_queue(1), signals.of_queue(2));
        let mut effects = Effects::default();
        effects.queue(1);
        effects.job("a");
        signals.publish(&effects);
        job.changed().await.unwrap();
        queue.notified().await;
        let waited = tokio::time::timeout(Duration::from_secs(1), other.notified()).await;
        assert!(waited.is_err());
        signals.everything();
        other.notified().await;
        job.changed().await.unwrap();
    }
}
