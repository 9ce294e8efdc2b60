//! Operating queues: how they stand, pausing and resuming them, looking at their dead letters and moving them back.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    DeadLetterCounts, DeadLetterFilter, DeadLetterPage, DeadLetterQuery, QueueFlow, Redrive, RedriveProgress,
    RedriveResult, StoreError,
};
use crate::{host::Stop, queue::Queue};

/// Operates the queues of a backend. Queues go by the names that definitions use.
///
/// Backends differ in what they can do, and each says so in its answers: whether numbers are
/// [exact](QueueStatus::accuracy), what [consumes](Consumer) a queue, whether a page of dead letters is a
/// [sample](DeadLetterPage::sample), by which [method](RedriveResult::method) a redrive went.
///
/// Every call that names a queue fails with [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) when the backend
/// knows no queue of that name.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// The names that the backend knows. Makes no call over a network.
    async fn known_names(&self) -> Result<KnownNames, StoreError>;

    /// Makes a queue known before its first job, where queues appear at [run time](QueueOrigin::RunTime). A queue that is
    /// known already stays as it is.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) where queues come with a deployment.
    async fn declare(&self, queue: Queue) -> Result<(), StoreError>;

    /// How all queues stand, by name.
    async fn queues(&self) -> Result<Vec<QueueStatus>, StoreError>;

    /// How much comes into all queues and ends, by name, over the last [minutes](QueueFlow::MINUTES). A backend that does
    /// not measure this says so in each answer.
    async fn flow(&self) -> Result<Vec<QueueFlow>, StoreError>;

    /// Whether anything takes messages from a queue.
    async fn consumer(&self, queue: &str) -> Result<Consumer, StoreError>;

    /// Pauses a queue: its consumer takes no more messages from it, and jobs that run go on to their end. Jobs can be
    /// enqueued as before. Returns when the queue is paused, which takes an event source mapping of Lambda some seconds.
    ///
    /// # Errors
    /// Also when the queue has no consumer that could be paused, or when the switch takes too long: then it goes on by
    /// itself.
    async fn pause(&self, queue: &str) -> Result<(), StoreError>;

    /// Resumes a paused queue.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    async fn resume(&self, queue: &str) -> Result<(), StoreError>;

    /// Dead letters of a queue. When `stop` begins to drain, what was found so far is the answer.
    ///
    /// # Errors
    /// Also when the queue has no dead-letter queue.
    async fn dead_letters(
        &self,
        queue: &str,
        query: &DeadLetterQuery,
        stop: &Stop,
    ) -> Result<DeadLetterPage, StoreError>;

    /// Counts dead letters of a queue by job and reason: what a [redrive](Self::redrive) of the same filter would move.
    /// Moves none.
    ///
    /// # Errors
    /// As [`dead_letters`](Self::dead_letters).
    async fn count_dead_letters(
        &self,
        queue: &str,
        filter: &DeadLetterFilter,
        stop: &Stop,
    ) -> Result<DeadLetterCounts, StoreError>;

    /// Moves dead letters of a queue back to it. Jobs keep their ids and their histories, and count their attempts anew.
    ///
    /// A dead letter whose job has ended otherwise, or is under way, is removed instead. Dead letters that arrive after
    /// the redrive has begun stay, so that it ends even when jobs fail again at once. `progress` is called after each
    /// step. When `stop` begins to drain, the step under way is completed and no other begins.
    ///
    /// # Errors
    /// When it cannot begin. What fails later is in the answer: [`RedriveResult::error`].
    async fn redrive(
        &self,
        queue: &str,
        redrive: &Redrive,
        stop: &Stop,
        progress: &(dyn Fn(RedriveProgress) + Send + Sync),
    ) -> Result<RedriveResult, StoreError>;
}

/// The names that a backend knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KnownNames {
    /// Its queues, sorted.
    pub queues: Vec<String>,
    /// Where its queues come from.
    pub queue_origin: QueueOrigin,
    /// All jobs that it has ever carried, sorted; `None` where it keeps no list of them.
    pub jobs: Option<Vec<String>>,
}

impl KnownNames {
    /// These queues, and no list of jobs.
    #[must_use]
    pub fn new(queues: Vec<String>, queue_origin: QueueOrigin) -> Self {
        Self { queues, queue_origin, jobs: None }
    }

    /// With the jobs that it has carried.
    #[must_use]
    pub fn with_jobs(mut self, jobs: Vec<String>) -> Self {
        self.jobs = Some(jobs);
        self
    }

    /// Whether it knows a queue of that name.
    #[must_use]
    pub fn has_queue(&self, name: &str) -> bool {
        self.queues.iter().any(|known| known == name)
    }
}

/// Where the queues of a backend come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueOrigin {
    /// A deployment: there are no others.
    Deployed,
    /// Run time: a queue appears with its first job, with an engine that consumes it, or when it is
    /// [declared](Operator::declare).
    RunTime,
}

/// How a queue stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct QueueStatus {
    /// The queue.
    pub queue: String,
    /// Whether it keeps its groups' order.
    pub fifo: bool,
    /// What takes messages from it.
    pub consumer: Consumer,
    /// Messages that can be received now.
    pub waiting: u64,
    /// Messages in flight: jobs that run. On SQS also failed jobs that wait for their next attempt, which others count as
    /// [`delayed`](Self::delayed).
    pub in_flight: u64,
    /// Messages that cannot be received before a moment to come.
    pub delayed: u64,
    /// Since when the oldest of the messages that can be received now is waiting; `None` when none waits, or where the
    /// backend does not know.
    pub oldest: Option<Timestamp>,
    /// Its dead letters, without those that somebody looks at right now; `None` when it has no dead-letter queue.
    pub dead_letters: Option<u64>,
    /// Whether the numbers are exact.
    pub accuracy: Accuracy,
}

impl QueueStatus {
    /// An empty queue, with dead letters or without.
    #[must_use]
    pub fn new(queue: impl Into<String>, fifo: bool, consumer: Consumer, accuracy: Accuracy) -> Self {
        let (waiting, in_flight, delayed) = (0, 0, 0);
        let (oldest, dead_letters) = (None, None);
        Self { queue: queue.into(), fifo, consumer, waiting, in_flight, delayed, oldest, dead_letters, accuracy }
    }
}

/// What takes messages from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Consumer {
    /// What it is.
    pub kind: ConsumerKind,
    /// Whether it does.
    pub state: ConsumerState,
}

/// What can take messages from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ConsumerKind {
    /// An engine, while one runs. A pause is noticed at once in its own process, in others within a second.
    Engine,
    /// An event source mapping of Lambda. Switching it takes some seconds.
    EventSourceMapping,
    /// Workers that poll the queue. A pause is noticed within some seconds.
    Worker,
}

/// Whether messages are taken from a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsumerState {
    /// They are.
    Active,
    /// They are not: the queue is paused.
    Paused,
    /// The consumer is being switched, made or removed.
    Changing,
    /// There is no consumer. On a file: no engine is seen on it, and no host has run a job of it within the last minute.
    Missing,
}

/// Whether numbers are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accuracy {
    /// They are: all at one moment.
    Exact,
    /// Approximate, as SQS counts (Amazon SQS API Reference, GetQueueAttributes), or while they change.
    Approximate,
}
