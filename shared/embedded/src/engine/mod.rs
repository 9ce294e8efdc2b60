//! The engine: runs functions on one machine, as AWS does.

mod batch;
mod builder;
mod changes;
mod clock;
mod failure;
mod fetch;
mod lanes;
mod late;
pub(crate) mod lock;
mod maintenance;
mod operations;
mod outbox;
mod running;
mod schedules;
mod source;
mod watch;

pub use self::{
    builder::{Engine, EngineBuilder, StartError},
    failure::EngineError,
    running::Running,
};
