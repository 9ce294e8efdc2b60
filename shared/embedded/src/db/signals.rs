//! Who is told when something has been committed.

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

/// What a transaction has done, for those who wait.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Queues that have messages which were not there before, or are visible earlier.
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

/// Wakes those who wait, after each commit.
pub(crate) struct Signals {
    queues: Mutex<HashMap<i64, Arc<Notify>>>,
    jobs: [watch::Sender<()>; SHARDS],
    schedules: Notify,
    pauses: watch::Sender<()>,
    leapt: Mutex<Option<Instant>>,
}

/// For how long nothing is purged after the clock has leapt forward: a machine that has just started asks for the time
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

    /// Another process has written: nobody knows what.
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

    /// The clock has gone far forward.
    pub(crate) fn leapt(&self) {
        *self.leapt.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it has done so a moment ago.
    pub(crate) fn has_just_leapt(&self) -> bool {
        self.leapt.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < DISTRUST)
    }

    /// Told of each change of the queue, also of one between two waits. For one listener a queue.
    pub(crate) fn of_queue(&self, queue: i64) -> Arc<Notify> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).entry(queue).or_default().clone()
    }

    /// Told of each change of the job from now on, and of some others.
    pub(crate) fn of_job(&self, id: &str) -> watch::Receiver<()> {
        self.jobs[shard(id)].subscribe()
    }

    /// Told when a queue may have been paused or resumed; the first time at once.
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
    async fn who_waits_for_a_job_hears_of_it_and_who_waits_for_another_queue_does_not() {
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
