//! Background jobs that their host knows about.
//!
//! A [`Job`] is a type. A handler is an async function. A [`Function`] routes jobs to handlers. A [`Client`] enqueues
//! jobs through a backend, a host hands deliveries to a [`Worker`], and the worker answers what becomes of each. This
//! crate knows no backend and does no I/O: time, randomness, queues and records come from outside, through [`Env`],
//! [`Queues`] and [`Store`].

mod client;
mod context;
mod declared;
mod delivery;
mod env;
mod error;
mod event;
mod function;
mod handler;
mod id;
mod job;
pub mod layer;
mod members;
mod message;
mod misfit;
pub mod moment;
mod options;
mod ports;
mod queue;
mod record;
mod redaction;
mod retry;
pub mod schedule;
mod scheduled;
mod sensitive;
mod setting;
pub mod testing;
mod worker;

pub use self::{
    client::{Client, Enqueue, NewJob, WaitError},
    context::Context,
    delivery::{MessageAction, DeadLetterCause, DeadLetterReason, Delivery, Disposition},
    env::{Clock, Env, Random, SeededRandom, SystemClock, SystemRandom, TokioClock},
    error::{ErrorText, JobError, JobErrorKind},
    event::EventTrigger,
    function::{Function, Route},
    handler::{FromRef, Handler, Outcome, State},
    id::{InvalidJobId, JobId},
    job::{Definition, Job, days, hours, mins, secs},
    message::{InvalidMessage, MAX_HOPS, MAX_MESSAGE_BYTES, Message, SharedMessage, Trace, is_job_name},
    misfit::Misfit,
    options::{Options, Overlap, Retention, Tracking},
    ports::{
        Backend, Claim, ClaimRequest, Count, EnqueueError, Enqueued, Event, Events, Lock, JobOwner, LeaseStatus,
        ListQuery, JobData, OnBusy, Page, Payloads, Queues, ScheduleOrigin, ScheduleStatus, Schedules, SchedulingError,
        Completion, CompletionResult, Store, StoreError, StoreErrorKind, EnqueueRequest, Token, Decision,
    },
    queue::{Queue, QueueKind},
    record::{Attempt, AttemptOutcome, Progress, Record, JobState, UnknownState},
    redaction::{Redaction, Redactor},
    retry::Retry,
    scheduled::{ScheduledJob, tick_template},
    sensitive::Sensitive,
    setting::Setting,
    worker::{JobResult, Stop, Worker, body_as_sent, carries_settlement},
};

// Used in definitions, whose crates then need not name them.
pub use jiff::Timestamp;
pub use serde_json::value::RawValue;
