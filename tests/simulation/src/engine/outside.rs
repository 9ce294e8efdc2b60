//! Producers, operators and strangers of an engine, and the reader of what it has written.

use std::{collections::BTreeSet, time::Duration};

use lamplighter::{
    Job, JobId, JobState, NewJob, RawValue, Tracking,
    backend::{DeadLetterQuery, StoreError},
    host::Stop,
};
use lamplighter_embedded::SqliteBackend;
use tokio::time::sleep;

use super::{Shared, clock::Wall, lock};
use crate::{
    invariant::Invariant,
    jobs::{LINKS, STEPS, Stranger},
    plan::{BatchPlan, From, JobPlan, Noise},
    world::body,
};

/// Everything around an engine.
#[derive(Clone)]
pub(super) struct Outside {
    embedded: SqliteBackend,
    book: Shared,
    wall: Wall,
}

impl Outside {
    pub(super) fn new(embedded: &SqliteBackend, book: &Shared, wall: &Wall) -> Self {
        Self { embedded: embedded.clone(), book: book.clone(), wall: wall.clone() }
    }

    /// Does what the plan says, and what earlier lives have not done.
    pub(super) fn start(&self) {
        let plan = lock(&self.book).plan.clone();
        for (number, job) in plan.jobs.iter().enumerate().filter(|(_, job)| job.from == From::Producer) {
            tokio::spawn(self.clone().enqueue(number, job.clone()));
        }
        for (number, batch) in plan.batches.iter().enumerate() {
            tokio::spawn(self.clone().enqueue_batch(number, batch.clone()));
        }
        for (number, (at, noise)) in plan.noise.iter().enumerate() {
            tokio::spawn(self.clone().noise(number, *at, *noise));
        }
    }

    async fn at(&self, millis: u64) {
        sleep(Duration::from_millis(millis.saturating_sub(self.wall.now()))).await;
    }

    fn is_done(&self, what: &str) -> bool {
        lock(&self.book).done.contains(what)
    }

    fn did(&self, what: String) {
        lock(&self.book).done.insert(what);
    }

    async fn enqueue(self, number: usize, job: JobPlan) {
        let name = format!("job-{number}");
        if self.is_done(&name) {
            return;
        }
        self.at(job.at).await;
        // A job of the same group that was planned before it comes before it.
        if job.group.is_some() {
            sleep(Duration::from_millis(number as u64)).await;
        }
        let Some(new) = job.new_job(number, |other| lock(&self.book).ids.get(&other).cloned()) else { return };
        if let Some(Ok(enqueued)) = self.embedded.client().enqueue_all([new.id(&name)]).await.pop() {
            lock(&self.book).acknowledged(enqueued.id(), Some(number), !enqueued.is_duplicate());
            self.did(name);
        }
    }

    async fn enqueue_batch(self, number: usize, batch: BatchPlan) {
        let name = format!("batch-{number}");
        if self.is_done(&name) {
            return;
        }
        self.at(batch.at).await;
        lock(&self.book).batches.insert(name.clone());
        let client = self.embedded.client();
        if let Ok(enqueued) = batch.new_batch(&client, &name).await {
            lock(&self.book).acknowledged(enqueued.id(), None, true);
            if let Ok(page) = client.batch_jobs(enqueued.id(), None, 100).await {
                for id in page.ids {
                    lock(&self.book).acknowledged(&id, None, true);
                }
            }
            self.did(name);
        }
    }

    async fn noise(self, number: usize, at: u64, noise: Noise) {
        let name = format!("noise-{number}");
        if self.is_done(&name) {
            return;
        }
        self.at(at).await;
        let id = |n: usize| lock(&self.book).ids.get(&n).cloned();
        lock(&self.book).tell("outside", || format!("{noise:?}"));
        let client = self.embedded.client();
        // What comes of it is seen in the records.
        match noise {
            Noise::Garbage => drop(self.embedded.send_raw(STEPS.name(), "no message").await),
            Noise::Unknown => {
                let Ok(empty) = RawValue::from_string("{}".into()) else { return };
                let new = NewJob::raw("unknown", STEPS.name(), Tracking::Full, empty);
                drop(client.enqueue_all([new.id(&name)]).await);
            }
            Noise::Twice(n) => {
                let twice = lock(&self.book).plan.jobs.get(n).filter(|job| job.group.is_none()).map(JobPlan::job_name);
                if let (Some(id), Some(job)) = (id(n), twice) {
                    drop(self.embedded.send_raw(STEPS.name(), &*body(job, &id, n)).await);
                }
            }
            Noise::Foreign(n) => {
                if let Some(id) = id(n) {
                    drop(self.embedded.send_raw(STEPS.name(), &*body(Stranger::NAME, &id, n)).await);
                }
            }
            Noise::Cancel(n) => {
                if let Some(id) = id(n) {
                    self.by_hand(&id);
                    drop(client.cancel(&id).await);
                }
            }
            Noise::RunAgain(n) => {
                if let Some(id) = id(n) {
                    self.by_hand(&id);
                    drop(client.retry(&id).await);
                }
            }
            Noise::Reschedule(n, later) => {
                if let Some(id) = id(n) {
                    let at = self.embedded.env().now() + Duration::from_millis(later);
                    drop(client.reschedule(&id, at).await);
                }
            }
        }
        self.did(name);
    }

    fn by_hand(&self, id: &JobId) {
        lock(&self.book).jobs.entry(id.clone()).or_default().by_hand = true;
    }

    /// Returns a job that was acknowledged and has not ended, with its state.
    pub(super) async fn open(&self) -> Result<Option<String>, StoreError> {
        for id in self.known() {
            match self.embedded.client().get(&id).await? {
                Some(record) if record.state.is_final() => {}
                Some(record) => return Ok(Some(format!("{id} is {}", record.state))),
                None => {
                    let text = format!("{id} was acknowledged, and has no record");
                    lock(&self.book).violates(Invariant::NothingIsLost, text);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn known(&self) -> Vec<JobId> {
        let book = lock(&self.book);
        let acknowledged = book.jobs.iter().filter(|(_, account)| account.acknowledged);
        acknowledged.map(|(id, _)| id.clone()).collect()
    }

    /// Compares records, dead letters and batches with what was seen.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let (client, operator) = (self.embedded.client(), self.embedded.operator());
        let mut dead = BTreeSet::new();
        for queue in [STEPS, LINKS] {
            let page = operator.dead_letters(queue.name(), &DeadLetterQuery::new(1000), &Stop::new()).await?;
            dead.extend(page.dead_letters.into_iter().map(|letter| letter.id));
        }
        for id in self.known() {
            let Some(record) = client.get(&id).await? else { continue };
            match client.batch(&id).await? {
                Some(batch) => {
                    let page = client.batch_jobs(&id, None, 100).await?;
                    let (mut counted, mut by_hand) = ((0, 0, 0), false);
                    for job in &page.ids {
                        by_hand |= lock(&self.book).jobs.get(job).is_some_and(|account| account.by_hand);
                        match client.get(job).await?.map(|record| record.state) {
                            Some(JobState::Succeeded) => counted.0 += 1,
                            Some(JobState::Failed) => counted.1 += 1,
                            _ => counted.2 += 1,
                        }
                    }
                    // One that was run again by hand counts as it first ended.
                    let told = (batch.succeeded, batch.failed, batch.cancelled);
                    if batch.done() != batch.total || (told != counted && !by_hand) {
                        let text = format!("batch {id} counts {told:?} of {}, its jobs {counted:?}", batch.total);
                        lock(&self.book).violates(Invariant::BatchIsExact, text);
                    }
                }
                None => lock(&self.book).compare(&record, dead.contains(id.as_str())),
            }
        }
        Ok(())
    }
}
