//! Batches in the model of the store: the counters change in the transaction in which a job ends.

use std::sync::Arc;

use lamplighter::{
    Batch, EnqueueError, Enqueued, JobId, JobState, Timestamp,
    backend::{EnqueueRequest, NewBatch},
    message::Outcome,
};

use super::store::{Change, Row, StoreModel};

/// The counters of a batch.
#[derive(Debug)]
pub(crate) struct BatchModel {
    pub(crate) batch: Batch,
    pub(crate) jobs: Vec<JobId>,
}

impl StoreModel {
    pub(crate) fn create_batch(&mut self, new: &NewBatch, now: Timestamp) -> Result<Enqueued, EnqueueError> {
        if let Some((owner, state)) = self.known(&new.id) {
            return Batch::existing(new.id.clone(), owner, state);
        }
        let mut batch = Batch::new(new.id.clone(), now);
        batch.total = new.jobs.len() as u64;
        let jobs = new.jobs.iter().map(|request| request.id.clone()).collect();
        self.batches.insert(new.id.clone(), BatchModel { batch, jobs });
        let row = Row::new(Batch::QUEUE, Arc::new(Batch::message(&new.id, now)), JobState::Waiting, now);
        self.rows.insert(new.id.clone(), row);
        self.changes.push(Change::State { id: new.id.clone(), from: None, to: JobState::Waiting });
        for request in new.callbacks.iter().chain(&new.jobs) {
            self.insert(request, now);
        }
        if new.jobs.is_empty() {
            self.end_batch(&new.id, now);
        }
        Ok(Enqueued::New(new.id.clone()))
    }

    pub(crate) fn add_to_batch(
        &mut self,
        id: &JobId,
        requests: &[EnqueueRequest],
        now: Timestamp,
    ) -> Result<(), EnqueueError> {
        let known = self.known(id);
        if let Some(reason) = Batch::closed(id, known.as_ref().map(|(owner, state)| (owner, *state))) {
            return Err(EnqueueError::Batch { id: id.clone(), reason });
        }
        if let Some(model) = self.batches.get_mut(id) {
            model.batch.total += requests.len() as u64;
            model.jobs.extend(requests.iter().map(|request| request.id.clone()));
        }
        for request in requests {
            self.insert(request, now);
        }
        Ok(())
    }

    /// Counts the end of a job.
    pub(super) fn count(&mut self, id: &JobId, state: JobState, now: Timestamp) {
        let Some(BatchModel { batch, .. }) = self.batches.get_mut(id) else { return };
        let is_first = state != JobState::Succeeded && batch.failed + batch.cancelled == 0;
        match state {
            JobState::Succeeded => batch.succeeded += 1,
            JobState::Failed => batch.failed += 1,
            _ => batch.cancelled += 1,
        }
        if batch.open() == 0 {
            self.end_batch(id, now);
        } else if is_first {
            self.follow(id, JobState::Failed, Some(Outcome::Failure), now);
        }
    }

    fn end_batch(&mut self, id: &JobId, now: Timestamp) {
        let Some(BatchModel { batch, .. }) = self.batches.get_mut(id) else { return };
        batch.state = batch.outcome();
        batch.finished_at = Some(now);
        let state = batch.state;
        self.changes.push(Change::BatchEnded { id: id.clone() });
        self.end(id, state, now);
    }
}
