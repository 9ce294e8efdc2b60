//! The engine: what runs functions on one machine, as AWS would.

mod batch;
mod builder;
mod clock;
mod failure;
mod fetch;
mod late;
mod lock;
mod maintenance;
mod pulse;
mod running;
mod schedules;
mod watch;

#[cfg(test)]
pub(crate) use self::builder::RUNNING;
pub use self::{
    builder::{Engine, EngineBuilder, StartError},
    failure::EngineError,
    running::{Running, Stopped},
};
