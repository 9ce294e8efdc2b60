//! Background jobs that their host knows about.
//!
//! A [`Job`] is a type. A handler is an async function. A [`Function`] routes jobs to handlers. A [`Client`] enqueues
//! jobs through a backend. A host hands deliveries to a [`host::Worker`], which runs them and says what to do with each.
//!
//! The names that a job author needs are here, at the root. Around them:
//!
//! | module | for |
//! | --- | --- |
//! | [`schedule`] | cron, rates, moments, and their translation to EventBridge |
//! | [`message`] | the job on the wire |
//! | [`outbox`] | enqueueing in a transaction of your own |
//! | [`record`] | what a backend knows about a job |
//! | [`operation`] | what operators do: previewed, tracked, stoppable |
//! | [`query`] | finding jobs: the queries of the command line and the API |
//! | [`env`] | time and randomness, which tests can drive |
//! | [`meter`] | what workers measure |
//! | [`layer`] | tower layers around handlers, among them metrics and a circuit breaker; a `tracing` layer for job logs |
//! | [`redaction`] | hiding sensitive arguments |
//! | [`trace`] | trace contexts in messages, and the port through which spans are made |
//! | [`testing`] | running one job in a test |
//! | [`host`] | for programs that feed deliveries to a worker |
//! | [`backend`] | for programs that keep messages and records |
//!
//! This crate knows no backend and does no I/O: time, randomness, queues and records come from outside.

mod after;
mod app;
mod batch;
mod client;
mod context;
mod declared;
mod delivery;
pub mod env;
mod error;
mod event;
mod function;
mod handler;
pub mod host;
mod id;
mod job;
#[cfg(feature = "job-log")]
mod job_log;
pub mod layer;
mod limit;
mod log;
mod members;
pub mod message;
pub mod meter;
mod misfit;
pub mod moment;
pub mod operation;
mod options;
mod ports;
pub mod query;
mod queue;
pub mod record;
pub mod redaction;
mod retry;
mod running_job;
pub mod schedule;
mod scheduled;
mod sensitive;
mod setting;
mod tags;
pub mod testing;
mod text;
pub mod trace;
mod unique;
mod variables;
mod worker;

pub use self::{
    after::After,
    app::App,
    batch::Batch,
    client::{Cancellation, Client, Enqueue, EnqueueBatch, NewJob},
    context::Context,
    error::JobError,
    event::EventTrigger,
    function::Function,
    handler::{FromRef, Handler, State},
    id::JobId,
    job::{Definition, Job, days, hours, mins, secs},
    limit::Limit,
    log::LogLevel,
    options::{Options, Overlap, Retention, Tracking},
    ports::{EnqueueError, Enqueued, ListQuery},
    queue::{Queue, QueueHost},
    record::{JobState, Record},
    retry::Retry,
    scheduled::ScheduledJob,
    sensitive::Sensitive,
    setting::Setting,
    unique::Unique,
    variables::Variables,
};

// Used in definitions, whose crates then need not name them.
pub use jiff::Timestamp;
pub use serde_json::value::RawValue;

/// The ports: what a backend provides, and the data that goes through them.
///
/// They are for the backends of this project and for programs that look into one. They change with it: a minor version
/// may add methods to the traits and fields to the structs. Do not implement the traits outside of this project without
/// pinning its version.
pub mod backend {
    pub use crate::{
        after::Standing,
        batch::Membership,
        client::{Cancel, CancelledJobs, ScheduleRun, ScheduleRunKind, WaitError},
        delivery::DeadLetterReason,
        error::Failure,
        limit::Rate,
        ports::{
            Accuracy, Backend, BatchJobs, Batches, Claim, ClaimRequest, Completion, CompletionResult, Consumer,
            ConsumerKind, ConsumerState, DeadLetter, DeadLetterCount, DeadLetterCounts, DeadLetterFilter,
            DeadLetterKey, DeadLetterPage, DeadLetterQuery, Decision, EnqueueRequest, ErrorGroups, Event, Events,
            FoundSchedule, JobData, JobOwner, KnownNames, LeaseStatus, LimitAnswer, LimitHolder, LimitRequest,
            LimitState, NewBatch, NoDrain, OnFull, Operator, Payloads, QueueFlow, QueueOrigin, QueueStatus, Queues,
            RateState, Redrive, RedriveMethod, RedriveProgress, RedriveResult, RenewRequest, Rollups, ScheduleOrigin,
            ScheduleStatus, Schedules, SchedulingError, Store, StoreError, StoreErrorKind, Token,
        },
        queue::QueueKind,
        scheduled::tick_template,
        unique::{UniqueConflict, UniqueHold},
    };
}

/// Enqueueing in a transaction of your own: the job is written down beside your data, as an [`OutboxEntry`](outbox::OutboxEntry),
/// and enqueued from there once the transaction is committed; if it is rolled back, there is no job.
///
/// Where entries are written, and who enqueues them, is the backend's: `lamplighter_embedded::outbox` has a table for your own
/// SQLite database, `lamplighter_aws::outbox` an item for your own DynamoDB transaction. For a store of another kind, keep
/// [the text](outbox::OutboxEntry::to_json) in it, and pass what you read to [`Client::enqueue_entries`].
pub mod outbox {
    pub use crate::client::{InvalidEntry, OutboxEntry};
}

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
