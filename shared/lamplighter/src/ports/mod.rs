//! The parts of a backend: [`Queues`] to send through, a [`Store`] of records, and optional others.

mod batches;
mod dead_letters;
mod error;
mod errors;
mod events;
mod flow;
mod limits;
mod list;
mod operations;
mod operator;
mod payloads;
mod queues;
mod redrive;
mod rollups;
mod schedules;
mod store;

use std::{fmt, sync::Arc};

use crate::meter::Meter;

pub(crate) use self::queues::LAMPLIGHTER;
pub use self::{
    batches::{BatchJobs, Batches, NewBatch},
    dead_letters::{
        DeadLetter, DeadLetterCount, DeadLetterCounts, DeadLetterFilter, DeadLetterKey, DeadLetterPage, DeadLetterQuery,
    },
    error::{StoreError, StoreErrorKind},
    errors::{ErrorGroups, ErrorPage, ErrorQuery},
    events::{Event, Events},
    flow::{NoDrain, QueueFlow},
    limits::{LimitAnswer, LimitHolder, LimitRequest, LimitState, OnFull, RateState},
    list::{ListQuery, Page},
    operations::{Created, OperationPage, OperationQuery, Operations},
    operator::{Accuracy, Consumer, ConsumerKind, ConsumerState, KnownNames, Operator, QueueOrigin, QueueStatus},
    payloads::Payloads,
    queues::{EnqueueError, EnqueueRequest, Enqueued, Queues},
    redrive::{Redrive, RedriveMethod, RedriveProgress, RedriveResult},
    rollups::Rollups,
    schedules::{FoundSchedule, ScheduleOrigin, ScheduleStatus, Schedules, SchedulingError},
    store::{
        Claim, ClaimRequest, Completion, CompletionResult, Count, Decision, JobData, JobOwner, LeaseStatus,
        RenewRequest, Store, Token,
    },
};

/// A backend: its queues, and its optional parts.
#[derive(Clone)]
#[non_exhaustive]
pub struct Backend {
    /// The queues to send messages to.
    pub queues: Arc<dyn Queues>,
    /// The store of records.
    pub store: Option<Arc<dyn Store>>,
    /// The port that publishes the ends of jobs.
    pub events: Option<Arc<dyn Events>>,
    /// The store of arguments that are too large for a message.
    pub payloads: Option<Arc<dyn Payloads>>,
    /// The store of schedules.
    pub schedules: Option<Arc<dyn Schedules>>,
    /// The store of batches.
    pub batches: Option<Arc<dyn Batches>>,
    /// What takes the measurements of workers.
    pub meter: Option<Arc<dyn Meter>>,
    /// The store of error groups.
    pub errors: Option<Arc<dyn ErrorGroups>>,
    /// What has been measured.
    pub rollups: Option<Arc<dyn Rollups>>,
    /// The store of what operators do.
    pub operations: Option<Arc<dyn Operations>>,
}

impl Backend {
    /// A backend that sends, and keeps no records.
    #[must_use]
    pub fn new(queues: Arc<dyn Queues>) -> Self {
        Self {
            queues,
            store: None,
            events: None,
            payloads: None,
            schedules: None,
            batches: None,
            meter: None,
            errors: None,
            rollups: None,
            operations: None,
        }
    }

    /// With records.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// With events.
    #[must_use]
    pub fn with_events(mut self, events: Arc<dyn Events>) -> Self {
        self.events = Some(events);
        self
    }

    /// With storage for large arguments.
    #[must_use]
    pub fn with_payloads(mut self, payloads: Arc<dyn Payloads>) -> Self {
        self.payloads = Some(payloads);
        self
    }

    /// With batches.
    #[must_use]
    pub fn with_batches(mut self, batches: Arc<dyn Batches>) -> Self {
        self.batches = Some(batches);
        self
    }

    /// With a meter for the workers on it. Without one, nothing is measured.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    /// With error groups.
    #[must_use]
    pub fn with_errors(mut self, errors: Arc<dyn ErrorGroups>) -> Self {
        self.errors = Some(errors);
        self
    }

    /// With roll-ups.
    #[must_use]
    pub fn with_rollups(mut self, rollups: Arc<dyn Rollups>) -> Self {
        self.rollups = Some(rollups);
        self
    }

    /// With a store of what operators do.
    #[must_use]
    pub fn with_operations(mut self, operations: Arc<dyn Operations>) -> Self {
        self.operations = Some(operations);
        self
    }

    /// With schedules.
    #[must_use]
    pub fn with_schedules(mut self, schedules: Arc<dyn Schedules>) -> Self {
        self.schedules = Some(schedules);
        self
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("tracked", &self.store.is_some()).finish_non_exhaustive()
    }
}
