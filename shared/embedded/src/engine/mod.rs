//! The engine: what runs functions on one machine, as AWS would.

mod batch;
mod builder;
mod clock;
mod fetch;
mod housekeeping;
mod lock;
mod running;
mod schedules;
mod watch;

#[cfg(test)]
pub(crate) use self::builder::RUNNING;
pub use self::{
    builder::{Engine, EngineBuilder, StartError},
    running::{Running, Stopped},
};
