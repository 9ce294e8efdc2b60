//! Queues.

use std::time::Duration;

use jiff::Timestamp;
use lamplighter::{
    JobState,
    backend::{Accuracy, ConsumerKind, ConsumerState, NoDrain, QueueFlow, QueueStatus},
    record::Count,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Activity, Part, schema};

/// How a queue stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueueView {
    /// The queue.
    pub queue: String,
    /// Whether it keeps its groups' order.
    pub fifo: bool,
    /// Whether it is paused.
    pub paused: bool,
    /// Messages that can be received now.
    pub waiting: u64,
    /// Messages in flight: jobs that run.
    pub in_flight: u64,
    /// Messages that cannot be received before a moment to come.
    pub delayed: u64,
    /// Its dead letters, where it has a dead-letter queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<u64>,
    /// On AWS, the event source mapping: `enabled`, `disabled`, `changing` or `missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// What takes from it: `active`, `paused`, `changing` or `missing`; `idle` where something should, jobs wait, and none has
    /// been taken for a while.
    pub consumer: String,
    /// Whether the numbers are exact.
    pub is_exact: bool,
    /// Since when the job waits that waits longest, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::moment)]
    pub oldest: Option<Timestamp>,
    /// Jobs that come in, a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_per_minute: Option<f64>,
    /// Jobs that are done, a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_per_minute: Option<f64>,
    /// How long it takes until nothing waits, if jobs go on coming and going as now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drains_in_secs: Option<u64>,
    /// Why that cannot be said, where it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_drain: Option<String>,
}

impl QueueView {
    /// With what comes in and ends, from which follows when it is empty.
    #[must_use]
    pub fn with_flow(mut self, status: &QueueStatus, flow: &QueueFlow) -> Self {
        (self.in_per_minute, self.out_per_minute) = (flow.in_per_minute, flow.out_per_minute);
        match status.time_to_drain(flow) {
            Ok(time) => self.drains_in_secs = Some(time.as_secs()),
            Err(NoDrain::Empty) => self.drains_in_secs = Some(0),
            Err(why) => self.no_drain = Some(why.to_string()),
        }
        self
    }
}

/// How long a job waits until somebody should know that nothing takes it.
const IDLE: Duration = Duration::from_secs(60);

impl QueueView {
    /// As it stands at a moment: where jobs wait, none runs and none has ended, nothing seems to take them.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let waits = self.oldest.is_some_and(|oldest| oldest <= now.saturating_sub(IDLE).unwrap_or(now));
        let stands = self.waiting > 0 && self.in_flight == 0 && self.out_per_minute.is_none_or(|rate| rate <= 0.0);
        if self.consumer == "active" && waits && stands {
            "idle".clone_into(&mut self.consumer);
        }
        self
    }
}

impl From<QueueStatus> for QueueView {
    fn from(status: QueueStatus) -> Self {
        let QueueStatus { queue, fifo, consumer, waiting, in_flight, delayed, dead_letters, accuracy, oldest, .. } =
            status;
        let mapping = match (consumer.kind, consumer.state) {
            (ConsumerKind::EventSourceMapping, ConsumerState::Active) => Some("enabled"),
            (ConsumerKind::EventSourceMapping, ConsumerState::Paused) => Some("disabled"),
            (ConsumerKind::EventSourceMapping, ConsumerState::Changing) => Some("changing"),
            (ConsumerKind::EventSourceMapping, ConsumerState::Missing) => Some("missing"),
            _ => None,
        };
        let state = match consumer.state {
            ConsumerState::Active => "active",
            ConsumerState::Paused => "paused",
            ConsumerState::Changing => "changing",
            ConsumerState::Missing => "missing",
        };
        Self {
            queue,
            fifo,
            paused: consumer.state == ConsumerState::Paused,
            waiting,
            in_flight,
            delayed,
            dead_letters,
            mapping: mapping.map(str::to_owned),
            consumer: state.to_owned(),
            is_exact: accuracy == Accuracy::Exact,
            oldest,
            in_per_minute: None,
            out_per_minute: None,
            drains_in_secs: None,
            no_drain: None,
        }
    }
}

/// One queue with what is around it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QueueDetail {
    /// The queue.
    #[serde(flatten)]
    pub queue: QueueView,
    /// Its jobs by state.
    pub states: Part<Vec<StateCount>>,
    /// The last sixty minutes.
    pub activity: Part<Activity>,
    /// The names of the jobs that are defined for it.
    pub jobs: Vec<String>,
    /// When this was read.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

/// The number of jobs in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StateCount {
    /// The state.
    #[schema(schema_with = schema::state)]
    pub state: JobState,
    /// The number.
    pub jobs: u64,
    /// Whether it is exact.
    pub is_exact: bool,
    /// When it was counted.
    #[schema(schema_with = schema::moment)]
    pub as_of: Timestamp,
}

impl From<&Count> for StateCount {
    fn from(count: &Count) -> Self {
        let Count { state, jobs, accuracy, as_of, .. } = count;
        Self { state: *state, jobs: *jobs, is_exact: *accuracy == Accuracy::Exact, as_of: *as_of }
    }
}
