//! The line from a process to the services: the ports of the backend over the models, with calls that take time and go wrong.
//!
//! A call that is on its way arrives, whether or not its caller still waits for it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{
    Batch, Cancellation, EnqueueError, Enqueued, JobId, JobState, ListQuery, Record, Timestamp,
    backend::{
        Backend, BatchJobs, Batches, Claim, ClaimRequest, Completion, CompletionResult, EnqueueRequest, JobData,
        LeaseStatus, NewBatch, Queues, RenewRequest, Store, StoreError, Token,
    },
    record::{Count, LogLine, Page},
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    faults::{Fate, Service},
    life::Life,
    world::{Sim, World, away},
};

/// A process's line to the services.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) sim: Sim,
    pub(crate) life: Arc<Life>,
}

impl Line {
    pub(crate) fn backend(&self) -> Backend {
        let line = Arc::new(self.clone());
        Backend::new(line.clone()).with_store(line.clone()).with_batches(line)
    }

    /// Calls a service. `done` happens there; the answer is `refused` where the service is away.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        service: Service,
        what: &'static str,
        done: impl FnOnce(&mut World) -> T + Send + 'static,
        refused: impl FnOnce() -> T + Send,
    ) -> T {
        self.life.alive().await;
        let fate = self.sim.with(|world| {
            let fate = world.faults.fate(service, world.now);
            if fate != Fate::GOOD {
                world.tell(self.life.name(), || format!("{what}: {fate:?}"));
            }
            fate
        });
        let answer = match fate {
            Fate::Done { before: 0, after: 0 } => self.arrives(true, done),
            Fate::Done { before, after } => self.send(before, Some(after), done).await,
            Fate::Mute { before } => self.send(before, None, done).await,
            Fate::Lost => std::future::pending().await,
            Fate::Refused { after } => {
                sleep(Duration::from_millis(after)).await;
                refused()
            }
        };
        self.life.alive().await;
        answer
    }

    fn arrives<T>(&self, is_answered: bool, done: impl FnOnce(&mut World) -> T) -> T {
        let answer = self.sim.with(|world| {
            let answer = done(world);
            let at = world.at();
            world.store.count_later(is_answered, at);
            world.follow();
            answer
        });
        self.sim.changed.notify_waiters();
        answer
    }

    /// Sends a request on its way, and waits for the answer, if there is to be one.
    async fn send<T: Send + 'static>(
        &self,
        before: u64,
        after: Option<u64>,
        done: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> T {
        let (tell, answer) = oneshot::channel();
        let line = self.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(before)).await;
            let done = line.arrives(after.is_some(), done);
            if let Some(after) = after {
                sleep(Duration::from_millis(after)).await;
                // Nobody may wait for it any more.
                let _ = tell.send(done);
            } else {
                // The connection stays open, and silent.
                std::future::pending::<()>().await;
            }
        });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }

    /// As [`call`](Self::call) with many requests, of which some may be refused alone.
    async fn call_each<R: Send + 'static, T: Send + 'static, E: Send + 'static>(
        &self,
        service: Service,
        what: &'static str,
        requests: Vec<R>,
        each: impl Fn(&mut World, &R) -> Result<T, E> + Send + 'static,
        refused: impl Fn() -> E + Send + Sync + Clone + 'static,
    ) -> Vec<Result<T, E>> {
        let count = requests.len();
        let none = refused.clone();
        let done = move |world: &mut World| {
            let mut answers = Vec::with_capacity(requests.len());
            for request in &requests {
                let now = world.now;
                let answer = if world.faults.refuses_one(service, now) { Err(refused()) } else { each(world, request) };
                // One request after the other, each a transaction.
                world.follow();
                answers.push(answer);
            }
            answers
        };
        self.call(service, what, done, || (0..count).map(|_| Err(none())).collect()).await
    }
}

#[async_trait]
impl Queues for Line {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        self.call_each(Service::Queue, "send", submissions, World::send, || away().into()).await
    }
}

#[async_trait]
impl Store for Line {
    async fn claim(&self, requests: Vec<ClaimRequest>, _: Instant) -> Vec<Result<Claim, StoreError>> {
        let each = |world: &mut World, request: &ClaimRequest| {
            let at = world.at();
            let claim = world.store.claim(request, at);
            world.tell(&request.host, || match &claim {
                Claim::Run { attempt, .. } => format!("claims {}: attempt {attempt}", request.id),
                other => format!("claims {}: {other:?}", request.id),
            });
            Ok(claim)
        };
        self.call_each(Service::Store, "claim", requests, each, away).await
    }

    async fn settle(&self, requests: Vec<Completion>, _: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        let each = |world: &mut World, request: &Completion| {
            let at = world.at();
            let result = world.store.settle(request, at);
            world.tell(&request.host, || {
                let (attempt, state) = (request.token.attempt, request.decision.state());
                format!("settles attempt {attempt} of {} as {state}: {result:?}", request.id)
            });
            Ok(result)
        };
        self.call_each(Service::Store, "settle", requests, each, away).await
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| Ok(world.store.save(&id, token, data));
        self.call(Service::Store, "save", done, || Err(away())).await
    }

    async fn renew(&self, requests: Vec<RenewRequest>, _: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        let each = |world: &mut World, request: &RenewRequest| Ok(world.store.renew(request));
        self.call_each(Service::Store, "renew", requests, each, away).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        let id = id.clone();
        self.call(Service::Store, "get", move |world| Ok(world.store.record(&id)), || Err(away())).await
    }

    async fn log(&self, _: &JobId) -> Result<Vec<LogLine>, StoreError> {
        Ok(Vec::new())
    }

    async fn log_operation(&self, _: &JobId, _: &JobId, _: LogLine) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, _: &ListQuery) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        Ok(Vec::new())
    }

    async fn cancel(&self, id: &JobId, _: &Cancellation) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| {
            let at = world.at();
            Ok(world.store.cancel(&id, at))
        };
        self.call(Service::Store, "cancel", done, || Err(away())).await
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| {
            let at = world.at();
            Ok(world.store.run_again(&id, true, at))
        };
        self.call(Service::Store, "run again", done, || Err(away())).await
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| {
            let at = world.at();
            Ok(world.store.run_again(&id, false, at))
        };
        self.call(Service::Store, "mark as queued", done, || Err(away())).await
    }

    async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        self.call(Service::Store, "delete", move |world| Ok(world.store.delete(&id)), || Err(away())).await
    }

    async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| {
            let now = world.at();
            Ok(world.store.reschedule(&id, at, now))
        };
        self.call(Service::Store, "reschedule", done, || Err(away())).await
    }
}

#[async_trait]
impl Batches for Line {
    async fn create(&self, batch: NewBatch) -> Result<Enqueued, EnqueueError> {
        let done = move |world: &mut World| {
            let at = world.at();
            world.store.create_batch(&batch, at)
        };
        self.call(Service::Store, "create a batch", done, || Err(away().into())).await
    }

    async fn add(&self, id: &JobId, jobs: Vec<EnqueueRequest>) -> Result<(), EnqueueError> {
        let id = id.clone();
        let done = move |world: &mut World| {
            let at = world.at();
            world.store.add_to_batch(&id, &jobs, at)
        };
        self.call(Service::Store, "add to a batch", done, || Err(away().into())).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Batch>, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| Ok(world.store.batches.get(&id).map(|model| model.batch.clone()));
        self.call(Service::Store, "get a batch", done, || Err(away())).await
    }

    async fn jobs(&self, id: &JobId, _: Option<&str>, _: usize) -> Result<BatchJobs, StoreError> {
        let id = id.clone();
        let done = move |world: &mut World| {
            let jobs = world.store.batches.get(&id).map(|model| model.jobs.clone());
            Ok(BatchJobs::new(jobs.unwrap_or_default(), None))
        };
        self.call(Service::Store, "list a batch", done, || Err(away())).await
    }
}
