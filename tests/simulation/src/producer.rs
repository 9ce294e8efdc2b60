//! Producers, operators and strangers: what comes from outside.

use std::{sync::Arc, time::Duration};

use lamplighter::{
    After, Client, EnqueueError, JobId, NewJob,
    backend::StoreErrorKind,
    env::{Env, SeededRandom},
    message::Outcome,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    jobs::{Alone, Link, STEPS, Step, Stranger},
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
            let Some(new) = self.new_job(number, &job) else {
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

    fn new_job(&self, number: usize, job: &JobPlan) -> Option<NewJob> {
        let mut new = match job.group {
            Some(group) => NewJob::from(Link { n: number }).group(format!("group-{group}")),
            None if job.alone => NewJob::from(Alone { n: number }),
            None => NewJob::from(Step { n: number }),
        };
        if job.delay > 0 {
            new = new.delay(Duration::from_millis(job.delay));
        }
        if let Some((other, outcome)) = job.after {
            let id = self.sim.with(|world| world.ids.get(&other).cloned())?;
            new = new.after(after(id, outcome));
        }
        Some(new)
    }

    /// Enqueues a batch, until that is acknowledged or the producer gives up.
    pub(crate) async fn enqueue_batch(self, number: usize, batch: BatchPlan) {
        self.at(batch.at).await;
        for _ in 0..TRIES {
            let jobs = batch.jobs.iter().map(|n| Step { n: *n });
            let mut new = self.client.enqueue_batch(jobs).id(format!("batch-{number}"));
            new = match batch.then {
                Some((then, Outcome::Success)) => new.on_success(Step { n: then }),
                Some((then, Outcome::Failure)) => new.on_failure(Step { n: then }),
                Some((then, Outcome::End)) => new.on_end(Step { n: then }),
                None => new,
            };
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
                let is_link = self.sim.plan.jobs.get(n).is_some_and(|job| job.group.is_some());
                if let Some(id) = id(n).filter(|_| !is_link) {
                    self.send(Some(id.clone()), body(Step::NAME, &id, n));
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

fn after(id: JobId, outcome: Outcome) -> After {
    match outcome {
        Outcome::Success => After::success(id),
        Outcome::Failure => After::failure(id),
        Outcome::End => After::end(id),
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
