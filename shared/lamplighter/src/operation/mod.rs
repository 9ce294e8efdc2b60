//! Operations: what operators do to jobs, queues and schedules, previewed, tracked, stoppable, and kept as an audit trail.
//!
//! | name | what it is |
//! | --- | --- |
//! | [`Action`], [`Target`] | what is done, and to what |
//! | [`NewOperation`] | the request for one |
//! | [`Operation`] | one that was asked for: by whom, why, how far it is, how it ended |
//! | [`Preview`] | what an action would touch |
//! | [`Runner`] | previews, begins and carries out |
//! | [`Operations`] | where a backend keeps them |
//!
//! Operations are never deleted by hand, and one that has ended is never changed. They expire after a
//! [year](Operation::KEPT).

mod action;
mod arguments;
mod check;
mod error;
mod preview;
mod request;
mod runner;
mod state;
mod target;
mod tracked;

pub use self::{
    action::Action,
    arguments::Arguments,
    check::{CheckArguments, CheckByType},
    error::OperationError,
    preview::{JobCount, Preview, PreviewBound},
    request::NewOperation,
    runner::{Resumed, Runner},
    state::{OperationState, UnknownOperationState},
    target::Target,
    tracked::{Operation, OperationLease, OperationProgress},
};
pub use crate::ports::{Created, OperationPage, OperationQuery, Operations};
