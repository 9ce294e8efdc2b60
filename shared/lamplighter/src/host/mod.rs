//! For hosts: programs that feed deliveries to a [`Worker`] and act on its answers.
//!
//! A host is a [`Source`] of deliveries and a [`Lifecycle`]. The source knows the transport: a queue that is polled, a file,
//! invocations that a platform pushes. The lifecycle knows who ends the process, how it says so, and how long it waits: a
//! terminal, a service manager, a container platform. A [`Host`] runs sources and holds the one drain routine:
//!
//! 1. Take no more messages; the receive that is under way is awaited.
//! 2. Hand back what has not begun, and tell the running handlers.
//! 3. Wait for them, within the [`DrainBudget`].
//! 4. Cut off what still runs, and hand it back at once, uncounted.
//! 5. Leave behind what blocks its thread.
//!
//! A drain is an optimisation: a process can be killed at any moment, and leases bring its jobs back.
//!
//! As with [`backend`](crate::backend), a minor version may add fields and variants.

mod budget;
mod health;
mod lifecycle;
mod pulse;
mod running;
mod source;
mod stop;

pub use self::{
    budget::DrainBudget,
    health::{Phase, SourceHealth, Status},
    lifecycle::{Lifecycle, StopRequest},
    running::{Drained, Host, Monitor, Running},
    source::Source,
    stop::Stop,
};
pub use crate::{
    delivery::{DeadLetterCause, Delivery, Disposition, MessageAction},
    function::{FunctionSpec, Route},
    misfit::Misfit,
    running_job::{JOB_SPAN, RunningJob},
    worker::{JobResult, Worker, body_as_sent, carries_settlement},
};
