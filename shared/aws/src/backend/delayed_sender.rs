//! Messages that are sent later than SQS can delay them.
//!
//! There are two routes. A one-time schedule of EventBridge Scheduler costs $1 per million and fires on its own within
//! a minute of its time. The table's index of due jobs costs four write units and is swept once a minute by
//! `maintenance`; it accepts a hundred thousand jobs as fast as the table does, where Scheduler's API accepts some
//! hundred a second (Amazon EventBridge Scheduler User Guide, "Quotas"). So few jobs use schedules, and many use the
//! table.

use futures_util::{StreamExt, stream};
use lamplighter::{
    EnqueueError, Enqueued, Timestamp,
    backend::{EnqueueRequest, Queues, StoreError, StoreErrorKind},
    env::Env,
};

#[cfg(feature = "dynamodb")]
use crate::dynamo::{Dynamo, MAX_DUE_BODY};
#[cfg(feature = "schedules")]
use crate::schedules::{OneTime, OneTimeError, Sending};
use crate::sqs::{MAX_DELAY, Sqs};

/// Concurrent calls for delayed jobs.
const CALLS_AT_ONCE: usize = 32;
/// The largest number of jobs in one call that use schedules.
const FEW: usize = 100;

/// The kind of schedule that delays a job's start.
pub(crate) const DELAY: &str = "d";
/// The prefix of the kinds of schedules that send a job's next attempt. No pattern of their names matches other
/// schedules: IAM permissions are granted with it.
pub(crate) const RETRY: &str = "r";

/// Sends jobs that are due later.
#[derive(Clone)]
pub(crate) struct DelayedSender {
    pub(crate) sqs: Sqs,
    pub(crate) env: Env,
    #[cfg(feature = "schedules")]
    pub(crate) schedules: Option<OneTime>,
    #[cfg(feature = "dynamodb")]
    pub(crate) table: Option<Dynamo>,
}

/// A way to delay a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DelayRoute {
    /// SQS itself.
    Queue,
    /// A one-time schedule.
    Schedule,
    /// The table's index of due jobs.
    Table,
}

impl DelayedSender {
    /// Returns whether SQS cannot delay a message that long.
    pub(crate) fn is_far(&self, queue: &str, due_at: Option<Timestamp>) -> bool {
        let Some(delay) = due_at.map(|due_at| self.env.until(due_at)) else { return false };
        let fifo = self.sqs.queues().get(queue).is_some_and(crate::QueueUrls::is_fifo);
        delay > MAX_DELAY || (fifo && !delay.is_zero())
    }

    /// The route for delayed jobs, `count` of them in one call.
    pub(crate) fn route(&self, count: usize) -> DelayRoute {
        let (schedules, table) = (self.has_schedules(), self.has_table());
        match (schedules, table) {
            (true, _) if count <= FEW || !table => DelayRoute::Schedule,
            (_, true) => DelayRoute::Table,
            // SQS refuses a delay that it does not support.
            _ => DelayRoute::Queue,
        }
    }

    #[cfg(feature = "schedules")]
    fn has_schedules(&self) -> bool {
        self.schedules.is_some()
    }

    #[cfg(not(feature = "schedules"))]
    fn has_schedules(&self) -> bool {
        false
    }

    #[cfg(feature = "dynamodb")]
    fn has_table(&self) -> bool {
        self.table.is_some()
    }

    #[cfg(not(feature = "dynamodb"))]
    fn has_table(&self) -> bool {
        false
    }

    /// Sends jobs to their queues, or by another route those that are due far from now. The answers come in their order.
    pub(crate) async fn dispatch(&self, requests: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let mut answers: Vec<Option<Result<Enqueued, EnqueueError>>> = (0..requests.len()).map(|_| None).collect();
        let (mut far, mut near): (Vec<_>, Vec<_>) =
            requests.into_iter().enumerate().partition(|(_, request)| self.is_far(&request.queue, request.due_at));
        let route = self.route(far.len());
        if route == DelayRoute::Queue {
            near.append(&mut far);
        }
        let mut delaying = Vec::with_capacity(far.len());
        for (index, request) in far {
            delaying.push(async move { (index, self.delay(&request, route).await) });
        }
        let delayed: Vec<_> = stream::iter(delaying).buffer_unordered(CALLS_AT_ONCE).collect().await;
        let (places, near): (Vec<_>, Vec<_>) = near.into_iter().unzip();
        let sent = places.into_iter().zip(self.sqs.send(near).await);
        for (index, answer) in delayed.into_iter().chain(sent) {
            answers[index] = Some(answer);
        }
        let silent = || Err(StoreError::unavailable("AWS did not report whether the job was enqueued").into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }

    /// Delays a job by a route other than the queue.
    async fn delay(&self, submission: &EnqueueRequest, route: DelayRoute) -> Result<Enqueued, EnqueueError> {
        let Some(queue) = self.sqs.queues().get(&submission.queue) else {
            return Err(EnqueueError::UnknownQueue(submission.queue.to_string()));
        };
        let due_at = submission.due_at.unwrap_or_else(|| self.env.now());
        match route {
            DelayRoute::Schedule => match self.by_schedule(DELAY, submission, due_at, &queue.url).await {
                // A schedule carries a quarter of what a queue does.
                Err(EnqueueError::TooLarge { .. }) if self.has_table() => self.by_table(submission, due_at).await?,
                answer => answer?,
            },
            DelayRoute::Table => self.by_table(submission, due_at).await?,
            DelayRoute::Queue => return Err(StoreError::unavailable("SQS delays this job itself").into()),
        }
        Ok(Enqueued::New(submission.id.clone()))
    }

    #[cfg(feature = "schedules")]
    async fn by_schedule(
        &self,
        kind: &str,
        submission: &EnqueueRequest,
        due_at: Timestamp,
        url: &str,
    ) -> Result<(), EnqueueError> {
        let Some(schedules) = &self.schedules else { return Err(none("schedule group").into()) };
        let body = submission.message.to_json();
        let group = submission.group.as_deref();
        let fifo = crate::queues::is_fifo(url);
        // On a FIFO queue, all jobs without a group form one; on a standard queue, a schedule carries no group.
        let group = fifo.then(|| group.unwrap_or(&submission.queue));
        let name = match submission.tracking.is_tracked() {
            true => OneTime::name(kind, &submission.id),
            // Nothing else records the id's owner: two jobs with the same id get two schedules.
            false => OneTime::name_without_record(kind, submission),
        };
        match schedules.create(&name, due_at, Sending { queue_url: url, body: &body, group }).await {
            Ok(()) => Ok(()),
            Err(OneTimeError::TooLarge { bytes }) => {
                Err(EnqueueError::TooLarge { job: submission.message.job.clone(), bytes, limit: OneTime::MAX_BODY })
            }
            Err(OneTimeError::Backend(error)) => Err(error.into()),
            Err(error) => {
                Err(EnqueueError::Delay { job: submission.message.job.clone(), due_at, reason: error.to_string() })
            }
        }
    }

    #[cfg(not(feature = "schedules"))]
    async fn by_schedule(&self, _: &str, _: &EnqueueRequest, _: Timestamp, _: &str) -> Result<(), EnqueueError> {
        Err(none("schedule group").into())
    }

    #[cfg(feature = "dynamodb")]
    async fn by_table(&self, submission: &EnqueueRequest, due_at: Timestamp) -> Result<(), EnqueueError> {
        let Some(table) = &self.table else { return Err(none("table").into()) };
        let bytes = submission.message.to_json().len();
        if !submission.tracking.is_tracked() && bytes > MAX_DUE_BODY {
            return Err(EnqueueError::TooLarge { job: submission.message.job.clone(), bytes, limit: MAX_DUE_BODY });
        }
        match table.put_due(submission, due_at).await? {
            None => Ok(()),
            Some(owner) => {
                let (job, queue) = (submission.message.job.clone(), submission.queue.to_string());
                Err(EnqueueError::IdTaken { job, queue, id: submission.id.clone(), owner })
            }
        }
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn by_table(&self, _: &EnqueueRequest, _: Timestamp) -> Result<(), EnqueueError> {
        Err(none("table").into())
    }

    /// Sends a message again at a moment beyond its queue's longest delay: the next attempt of a job.
    pub(crate) async fn retry(&self, submission: &EnqueueRequest, due_at: Timestamp) -> Result<(), StoreError> {
        let url = self.sqs.queues().get(&submission.queue).map(|queue| queue.url.clone());
        let Some(url) = url else {
            let text = format_args!("queue {:?} is not configured here", submission.queue);
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        };
        let delay = match self.route(1) {
            // The due time distinguishes the attempts of one job.
            DelayRoute::Schedule => {
                self.by_schedule(&format!("{RETRY}-{}", due_at.as_second()), submission, due_at, &url).await
            }
            DelayRoute::Table => self.by_table(submission, due_at).await,
            DelayRoute::Queue => return Err(none("schedule group or table")),
        };
        delay.map_err(|error| match error {
            EnqueueError::Backend(error) => error,
            error => StoreError::new(StoreErrorKind::Invalid, error),
        })
    }

    /// Sends a job's new message in place of one that was due at another time. The table keeps one entry for a job, which is
    /// replaced; a schedule would stay as it is.
    #[cfg(feature = "dynamodb")]
    pub(crate) async fn send_instead(&self, request: EnqueueRequest, was_due: Timestamp) -> Result<(), EnqueueError> {
        let owner =
            lamplighter::backend::JobOwner { job: request.message.job.clone(), queue: request.queue.to_string() };
        let id = request.id.clone();
        let was_far = self.is_far(&request.queue, Some(was_due));
        let is_far = self.is_far(&request.queue, request.due_at);
        match request.due_at.filter(|_| is_far) {
            Some(due_at) => self.by_table(&request, due_at).await?,
            None => {
                let silent = || Err(StoreError::unavailable("SQS did not report whether the job was sent").into());
                self.sqs.send(vec![request]).await.pop().unwrap_or_else(silent)?;
            }
        }
        if was_far {
            let forgotten = match is_far {
                true => self.forget_schedule(&id).await,
                false => self.forget(&id, &owner).await,
            };
            if let Err(error) = forgotten {
                tracing::debug!(%id, %error, "a former message of the job will come, and change nothing");
            }
        }
        Ok(())
    }

    /// Deletes the one-time schedule of a delayed job.
    #[cfg(all(feature = "dynamodb", feature = "schedules"))]
    async fn forget_schedule(&self, id: &lamplighter::JobId) -> Result<(), StoreError> {
        match &self.schedules {
            Some(schedules) => schedules.delete(&OneTime::name(DELAY, id)).await,
            None => Ok(()),
        }
    }

    #[cfg(all(feature = "dynamodb", not(feature = "schedules")))]
    async fn forget_schedule(&self, _: &lamplighter::JobId) -> Result<(), StoreError> {
        Ok(())
    }

    /// Deletes the delayed message of a job that is no longer to be sent.
    #[cfg(feature = "dynamodb")]
    pub(crate) async fn forget(
        &self,
        id: &lamplighter::JobId,
        owner: &lamplighter::backend::JobOwner,
    ) -> Result<(), StoreError> {
        if let Some(table) = &self.table {
            table.forget_due(id.as_str(), owner).await?;
        }
        self.forget_schedule(id).await
    }
}

fn none(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Invalid, format_args!("no {what} is configured here"))
}
