//! Operates the queues of a deployment: the core's port over SQS, the event source mappings of Lambda, and the tags
//! that workers read.

mod access;
mod consumer;
mod mapping;
#[cfg(feature = "rollups")]
mod metrics;
mod redrive;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use lamplighter::{
    Queue,
    backend::{
        Accuracy, Consumer, ConsumerState, DeadLetterCounts, DeadLetterFilter, DeadLetterPage, DeadLetterQuery,
        KnownNames, Operator, QueueFlow, QueueOrigin, QueueStatus, Redrive, RedriveProgress, RedriveResult, Store,
        StoreError, StoreErrorKind,
    },
    env::Env,
    host::Stop,
};

use self::{
    access::{Access, Attributes},
    redrive::DeadLetterQueue,
};
use crate::{queues::QueueMap, sdk::AwsClients, sqs::Sqs};

/// Operates the queues of a deployment. Cloning is cheap; all clients are created at first use.
#[derive(Debug, Clone)]
pub struct AwsOperator(Arc<Access>);

/// The time limit of a switch: Lambda needs seconds, at times a minute.
const SWITCH_LIMIT: Duration = Duration::from_secs(180);
/// The number of queues that are read concurrently.
const AT_ONCE: usize = 8;

impl AwsOperator {
    /// Operates these queues through these clients. The clock decides which dead letters arrived before a redrive
    /// began. Without a [store](Self::with_store), jobs are assumed to have no records.
    #[must_use]
    pub fn new(sdk: AwsClients, queues: QueueMap, env: Env) -> Self {
        Self::of(Sqs::with_env(sdk, queues, env), None)
    }

    pub(crate) fn of(sqs: Sqs, store: Option<Arc<dyn Store>>) -> Self {
        Self(Arc::new(Access::new(sqs, store, SWITCH_LIMIT)))
    }

    /// Sets the store of its jobs' records.
    #[must_use]
    pub fn with_store(self, store: Arc<dyn Store>) -> Self {
        Self(Arc::new(Access::new(self.0.sqs.clone(), Some(store), self.0.switch_limit)))
    }

    /// Sets the time limit for switching an event source mapping, instead of three minutes.
    #[must_use]
    pub fn with_switch_limit(self, limit: Duration) -> Self {
        Self(Arc::new(Access::new(self.0.sqs.clone(), self.0.store.clone(), limit)))
    }

    /// Makes two calls of GetQueueAttributes and one of ListEventSourceMappings; without a mapping, one of
    /// ListQueueTags.
    async fn status(&self, name: &str) -> Result<QueueStatus, StoreError> {
        let queue = self.0.urls(name)?;
        let Attributes { arn, waiting, in_flight, delayed } = self.0.attributes(&queue.url).await?;
        let consumer = consumer::consumer(&self.0, &queue.url, &arn).await?;
        let mut status = QueueStatus::new(name, queue.is_fifo(), consumer, Accuracy::Approximate);
        (status.waiting, status.in_flight, status.delayed) = (waiting, in_flight, delayed);
        status.dead_letters = match self.0.sqs.dead_letter_url(&arn).await {
            Ok(url) => Some(self.0.attributes(&url).await?.waiting),
            Err(error) if error.kind() == StoreErrorKind::Invalid => None,
            Err(error) => return Err(error),
        };
        Ok(status)
    }
}

#[async_trait]
impl Operator for AwsOperator {
    async fn known_names(&self) -> Result<KnownNames, StoreError> {
        let names = self.0.queues().iter().map(|(name, _)| name.to_owned());
        Ok(KnownNames::new(names.collect(), QueueOrigin::Deployed))
    }

    async fn declare(&self, queue: Queue) -> Result<(), StoreError> {
        if self.0.queues().get(queue.name()).is_some() {
            return Ok(());
        }
        let name = queue.name();
        let text =
            format!("queue {name} cannot be made here, since queues come with a deployment; deploy a function for it");
        Err(StoreError::new(StoreErrorKind::Invalid, text))
    }

    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError> {
        let names: Vec<_> = self.0.queues().iter().map(|(name, _)| name).collect();
        let asking = names.into_iter().map(|name| self.status(name)).collect::<Vec<_>>();
        let all: Vec<_> = stream::iter(asking).buffered(AT_ONCE).collect().await;
        #[cfg_attr(not(feature = "rollups"), expect(unused_mut, reason = "only CloudWatch adds something"))]
        let mut all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
        #[cfg(feature = "rollups")]
        self.0.metrics.tell_oldest(&self.0, &mut all).await;
        Ok(all)
    }

    #[cfg(feature = "rollups")]
    async fn flow(&self) -> Result<Vec<QueueFlow>, StoreError> {
        self.0.metrics.flow(&self.0).await
    }

    #[cfg(not(feature = "rollups"))]
    async fn flow(&self) -> Result<Vec<QueueFlow>, StoreError> {
        let names = self.0.queues().iter().map(|(name, _)| name);
        Ok(names.map(|name| QueueFlow::new(name, Accuracy::Approximate)).collect())
    }

    async fn consumer(&self, queue: &str) -> Result<Consumer, StoreError> {
        let arn = self.0.arn(queue).await?;
        consumer::consumer(&self.0, &self.0.urls(queue)?.url, &arn).await
    }

    async fn pause(&self, queue: &str) -> Result<(), StoreError> {
        consumer::switch(&self.0, queue, ConsumerState::Paused).await
    }

    async fn resume(&self, queue: &str) -> Result<(), StoreError> {
        consumer::switch(&self.0, queue, ConsumerState::Active).await
    }

    async fn dead_letters(
        &self,
        queue: &str,
        query: &DeadLetterQuery,
        stop: &Stop,
    ) -> Result<DeadLetterPage, StoreError> {
        if query.cursor.is_some() {
            let text =
                format!("dead letters of queue {queue} have no pages: SQS gives any of them; ask for more at once");
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        }
        let dead = DeadLetterQueue::of(&self.0, queue).await?;
        Ok(DeadLetterPage::sample(dead.some(&query.filter, query.limit, stop).await?))
    }

    async fn count_dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
        stop: &Stop,
    ) -> Result<DeadLetterCounts, StoreError> {
        DeadLetterQueue::of(&self.0, queue).await?.count(filter, stop).await
    }

    async fn redrive(
        &self,
        queue: &str,
        redrive: &Redrive,
        stop: &Stop,
        progress: &(dyn Fn(RedriveProgress) + Send + Sync),
    ) -> Result<RedriveResult, StoreError> {
        DeadLetterQueue::of(&self.0, queue).await?.redrive(redrive, stop, progress).await
    }
}
