//! Records in the table, with everything else that belongs to a job.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    Cancellation, EnqueueError, JobId, JobState, ListQuery, Record, Timestamp,
    backend::{
        Accuracy, Claim, ClaimRequest, Completion, CompletionResult, ErrorGroups, JobData, LeaseStatus, Queues,
        RenewRequest, Store, StoreError, StoreErrorKind, Token,
    },
    operation::{Created, Operation, OperationPage, OperationQuery, Operations},
    record::{Count, ErrorGroup, ErrorNote, ErrorPage, ErrorQuery, Fingerprint, LogLine, Page},
};
use tokio::time::{Instant, timeout_at};

use super::delayed_sender::DelayedSender;
use crate::dynamo::{Claimed, Counted, Dynamo, Following, Woken};

/// Ended jobs whose followers are started concurrently.
const CALLS_AT_ONCE: usize = 8;

/// Records in the table.
pub(super) struct Records {
    pub(super) dynamo: Dynamo,
    pub(super) delayed_sender: DelayedSender,
}

impl Records {
    /// Hides the messages of jobs that limits have refused, and returns the answers, and the jobs to be woken.
    async fn park(
        &self,
        requests: &[ClaimRequest],
        answers: Vec<Result<Claimed, StoreError>>,
        by: Instant,
    ) -> (Vec<Result<Claimed, StoreError>>, Vec<Woken>) {
        if requests.iter().all(|request| request.limits.is_empty()) {
            return (answers, Vec::new());
        }
        let park = async |(request, answer): (&ClaimRequest, Result<Claimed, StoreError>)| match answer {
            Ok(claimed) => Ok(self.delayed_sender.park(&self.dynamo, request.clone(), claimed, by).await),
            refused => refused,
        };
        let parks: Vec<_> = requests.iter().zip(answers).map(park).collect();
        let mut answers: Vec<_> = stream::iter(parks).buffered(CALLS_AT_ONCE).collect().await;
        let woken = answers.iter_mut().flatten().flat_map(|claimed| std::mem::take(&mut claimed.woken));
        let woken = woken.collect();
        (answers, woken)
    }

    /// Starts the jobs that wait for those that have ended, concurrently, and returns the answers in their order: an error
    /// for those whose followers could not be started by then, so that their messages come again.
    async fn follow<T>(&self, answers: Vec<Answer<T>>, by: Instant) -> Vec<Result<T, StoreError>> {
        let follow = async |answer: Answer<T>| {
            let Answer { id, answer, unfollowed, counted } = answer;
            let following = async {
                if let Some(state) = unfollowed {
                    self.delayed_sender.follow(&self.dynamo, Following::of(id.as_str(), state)).await?;
                }
                match counted {
                    Some(counted) => self.delayed_sender.tend(&self.dynamo, counted).await,
                    None => Ok(()),
                }
            };
            if answer.is_ok() {
                timeout_at(by, following).await.map_err(|_| {
                    StoreError::unavailable(format_args!("the jobs that wait for {id} could not be started in time"))
                })??;
            }
            answer
        };
        if answers.iter().all(|answer| answer.unfollowed.is_none() && answer.counted.is_none()) {
            return answers.into_iter().map(|answer| answer.answer).collect();
        }
        let follows: Vec<_> = answers.into_iter().map(follow).collect();
        stream::iter(follows).buffered(CALLS_AT_ONCE).collect().await
    }
}

/// An answer about a job, and the state in which it has ended, if others wait for it that have not been started.
struct Answer<T> {
    id: JobId,
    answer: Result<T, StoreError>,
    unfollowed: Option<JobState>,
    /// The batch that has counted the end.
    counted: Option<Counted>,
}

#[async_trait]
impl Store for Records {
    async fn claim(&self, requests: Vec<ClaimRequest>, by: Instant) -> Vec<Result<Claim, StoreError>> {
        let answers = self.dynamo.claim(&requests, by).await;
        let (answers, woken) = self.park(&requests, answers, by).await;
        tokio::join!(self.delayed_sender.wake(woken, by), self.dynamo.write_errors(by));
        let answers = requests.into_iter().zip(answers).map(|(request, answer)| {
            // The host that ended it may have died before it could start them.
            let unfollowed = answer.as_ref().ok().and_then(|claimed| claimed.unfollowed);
            let counted = answer.as_ref().ok().and_then(|claimed| claimed.counted.clone());
            Answer { id: request.id, answer: answer.map(|claimed| claimed.claim), unfollowed, counted }
        });
        self.follow(answers.collect(), by).await
    }

    async fn settle(&self, requests: Vec<Completion>, by: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        let mut answers = self.dynamo.settle(&requests, by).await;
        let woken = answers.iter_mut().flatten().flat_map(|settled| std::mem::take(&mut settled.woken));
        let woken = woken.collect();
        tokio::join!(self.delayed_sender.wake(woken, by), self.dynamo.write_errors(by));
        let answers = requests.into_iter().zip(answers).map(|(request, answer)| {
            let state = request.decision.state();
            let is_followed = answer.as_ref().is_ok_and(|settled| settled.is_followed && state.is_final());
            let counted = answer.as_ref().ok().and_then(|settled| settled.counted.clone());
            Answer {
                id: request.id,
                answer: answer.map(|settled| settled.result),
                unfollowed: is_followed.then_some(state),
                counted,
            }
        });
        self.follow(answers.collect(), by).await
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        self.dynamo.write_job_data(id, token, data).await
    }

    async fn renew(&self, requests: Vec<RenewRequest>, by: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        self.dynamo.renew(&requests, by).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        self.dynamo.read_record(id).await
    }

    async fn get_each(&self, ids: &[JobId]) -> Result<Vec<Option<Record>>, StoreError> {
        self.dynamo.read_records(ids).await
    }

    async fn log(&self, id: &JobId) -> Result<Vec<LogLine>, StoreError> {
        self.dynamo.read_log(id).await
    }

    async fn log_operation(&self, id: &JobId, operation: &JobId, line: LogLine) -> Result<(), StoreError> {
        self.dynamo.write_operation_line(id, operation, &line).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.dynamo.read_page(query).await
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let now = self.delayed_sender.env.now();
        let count = |queue: &str, state, jobs, as_of| Count {
            queue: queue.to_owned(),
            state,
            jobs,
            accuracy: Accuracy::Approximate,
            as_of,
        };
        let mut counts = Vec::new();
        let mut retrying = BTreeMap::new();
        if let Some(walked) = self.dynamo.last_tally().await? {
            for (queue, states) in walked.counts {
                for (state, jobs) in states {
                    if state == JobState::Retrying {
                        retrying.insert(queue.clone(), jobs);
                    }
                    counts.push(count(&queue, state, jobs, walked.began));
                }
            }
        }
        let sqs = &self.delayed_sender.sqs;
        let queues: Vec<_> = sqs.queues().iter().map(|(name, queue)| (name.to_string(), queue.url.clone())).collect();
        let reading: Vec<_> =
            queues.into_iter().map(|(name, url)| async move { (name, sqs.depth(&url).await) }).collect();
        let depths: Vec<_> = stream::iter(reading).buffered(CALLS_AT_ONCE).collect().await;
        for (queue, depth) in depths {
            let depth = depth?;
            // A message that waits for its next attempt is hidden as well.
            let running = depth.in_flight.saturating_sub(retrying.get(&queue).copied().unwrap_or_default());
            for (state, jobs) in [(JobState::Queued, depth.visible), (JobState::Running, running)] {
                if jobs > 0 {
                    counts.push(count(&queue, state, jobs, now));
                }
            }
        }
        counts.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
        Ok(counts)
    }

    async fn cancel(&self, id: &JobId, cancellation: &Cancellation) -> Result<Option<JobState>, StoreError> {
        let reason = cancellation.text();
        self.delayed_sender.cancel(&self.dynamo, id, reason.as_deref()).await
    }

    async fn retry(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        let Some(marked_queued) = self.dynamo.mark_queued_one(id).await? else { return Ok(None) };
        let Some(message) = marked_queued.message else { return Ok(Some(marked_queued.state)) };
        match self.delayed_sender.sqs.send(vec![message]).await.pop() {
            Some(Ok(_)) => Ok(Some(marked_queued.state)),
            Some(Err(EnqueueError::Backend(error))) => Err(error),
            Some(Err(error)) => Err(StoreError::new(StoreErrorKind::Invalid, error)),
            None => Err(StoreError::unavailable(format_args!("SQS did not report whether job {id} was sent"))),
        }
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(self.dynamo.mark_queued_one(id).await?.map(|marked_queued| marked_queued.state))
    }

    async fn delete(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.delayed_sender.delete(&self.dynamo, id).await
    }

    async fn reschedule(&self, id: &JobId, at: Timestamp) -> Result<Option<JobState>, StoreError> {
        self.delayed_sender.reschedule(&self.dynamo, id, at).await
    }
}

#[async_trait]
impl ErrorGroups for Records {
    async fn list(&self, query: &ErrorQuery) -> Result<ErrorPage, StoreError> {
        self.dynamo.read_error_page(query).await
    }

    async fn get(&self, fingerprint: Fingerprint) -> Result<Option<ErrorGroup>, StoreError> {
        self.dynamo.read_error(fingerprint).await
    }

    async fn annotate(&self, fingerprint: Fingerprint, note: &ErrorNote) -> Result<bool, StoreError> {
        self.dynamo.annotate(fingerprint, note).await
    }
}

#[async_trait]
impl Operations for Records {
    async fn create(&self, operation: &Operation) -> Result<Created, StoreError> {
        self.dynamo.create_operation(operation).await
    }

    async fn get(&self, id: &JobId) -> Result<Option<Operation>, StoreError> {
        self.dynamo.read_operation(id).await
    }

    async fn list(&self, query: &OperationQuery) -> Result<OperationPage, StoreError> {
        self.dynamo.read_operation_page(query).await
    }

    async fn open(&self) -> Result<Vec<Operation>, StoreError> {
        self.dynamo.read_open_operations().await
    }

    async fn save(&self, operation: &Operation) -> Result<bool, StoreError> {
        self.dynamo.save_operation(operation).await
    }
}
