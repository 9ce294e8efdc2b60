//! Producers, operators and strangers: what comes from outside.

use std::{sync::Arc, time::Duration};

use lamplighter::{
    Client, EnqueueError, JobId,
    backend::StoreErrorKind,
    env::{Env, SeededRandom},
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    jobs::{STEPS, Stranger},
    life::Life,
    line::Line,
    model::queue::QueueModel,
    plan::{BatchPlan, From, JobPlan, Noise},
    world::{HostClock, Sim, World, body},
};
use lamplighter::Job;

/// How often a producer tries, and how long it waits for each answer.
const TRIES: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(5);

/// Enqueues what the plan says.
#[derive(Clone)]
pub(crate) struct Producer {
    sim: Sim,
    client: Client,
}

impl Producer {
    pub(crate) fn new(sim: &Sim, seed: u64) -> Self {
        let life = Life::new("producer".into(), sim.origin);
        let line = Line { sim: sim.clone(), life };
        // A host that does not exist: its clock is right.
        let clock = HostClock { sim: sim.clone(), host: usize::MAX };
        let env = Env { clock: Arc::new(clock), random: Arc::new(SeededRandom::new(seed)) };
        Self { sim: sim.clone(), client: Client::new(line.backend(), env) }
    }

    /// Enqueues a job, until that is acknowledged or the producer gives up.
    pub(crate) async fn enqueue(self, number: usize, job: JobPlan) {
        self.at(job.at).await;
        for _ in 0..TRIES {
            let Some(new) = job.new_job(number, |other| self.sim.with(|world| world.ids.get(&other).cloned())) else {
                // What it waits for is not known yet.
                sleep(Duration::from_secs(3)).await;
                continue;
            };
            let new = new.id(format!("job-{number}"));
            match timeout(PATIENCE, self.client.enqueue_all([new])).await.map(|mut answers| answers.pop()) {
                Ok(Some(Ok(enqueued))) => {
                    self.sim.with(|world| {
                        world.tell("producer", || format!("{} is acknowledged", enqueued.id()));
                        world.ledger.acknowledged(enqueued.id());
                    });
                    return;
                }
                Ok(Some(Err(error))) if !is_worth_it(&error) => return,
                _ => sleep(Duration::from_secs(2)).await,
            }
        }
    }

    /// Enqueues a batch, until that is acknowledged or the producer gives up.
    pub(crate) async fn enqueue_batch(self, number: usize, batch: BatchPlan) {
        self.at(batch.at).await;
        for _ in 0..TRIES {
            let new = batch.new_batch(&self.client, &format!("batch-{number}"));
            match timeout(PATIENCE, new.into_future()).await {
                Ok(Ok(enqueued)) => {
                    return self.sim.with(|world| {
                        world.tell("producer", || format!("{} is acknowledged", enqueued.id()));
                        let jobs = world.store.batches.get(enqueued.id()).map(|model| model.jobs.clone());
                        for job in jobs.unwrap_or_default() {
                            world.ledger.acknowledged(&job);
                        }
                        world.ledger.acknowledged(enqueued.id());
                    });
                }
                _ => sleep(Duration::from_secs(2)).await,
            }
        }
    }

    /// Something from outside.
    pub(crate) async fn noise(self, at: u64, noise: Noise) {
        self.at(at).await;
        self.sim.with(|world| world.tell("outside", || format!("{noise:?}")));
        let id = |n: usize| self.sim.with(|world| world.ids.get(&n).cloned());
        match noise {
            Noise::Garbage => self.send(None, "no message".into()),
            Noise::Unknown => self.send(None, r#"{"job":"unknown"}"#.into()),
            Noise::Twice(n) => {
                let twice = self.sim.plan.jobs.get(n).filter(|job| job.group.is_none());
                if let (Some(id), Some(job)) = (id(n), twice) {
                    self.send(Some(id.clone()), body(job.job_name(), &id, n));
                }
            }
            Noise::Foreign(n) => {
                if let Some(id) = id(n) {
                    let text = body(Stranger::NAME, &id, n);
                    self.send(None, text);
                }
            }
            Noise::Cancel(n) => {
                if let Some(id) = id(n) {
                    let _ = timeout(PATIENCE, self.client.cancel(&id).into_future()).await;
                }
            }
            Noise::RunAgain(n) => {
                if let Some(id) = id(n) {
                    let _ = timeout(PATIENCE, self.client.retry(&id)).await;
                }
            }
            Noise::Reschedule(n, later) => {
                if let Some(id) = id(n) {
                    let at = self.sim.with(|world: &mut World| world.at()) + Duration::from_millis(later);
                    let _ = timeout(PATIENCE, self.client.reschedule(&id, at)).await;
                }
            }
        }
    }

    /// Sends a body as it is.
    fn send(&self, job: Option<JobId>, text: Arc<str>) {
        self.sim.with(|world: &mut World| {
            let now = world.now;
            let queue: &mut QueueModel = world.queue(STEPS.name());
            queue.send(text, None, job, now);
        });
        self.sim.changed.notify_waiters();
    }

    async fn at(&self, millis: u64) {
        let at: Instant = self.sim.origin + Duration::from_millis(millis);
        sleep_until(at).await;
    }
}

/// Whether the same call may succeed later.
fn is_worth_it(error: &EnqueueError) -> bool {
    matches!(error, EnqueueError::Backend(error) if error.kind() == StoreErrorKind::Unavailable)
}

/// Whether a producer enqueues this job by itself.
pub(crate) fn is_own(job: &JobPlan) -> bool {
    job.from == From::Producer
}
