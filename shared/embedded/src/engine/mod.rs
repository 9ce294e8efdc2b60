//! The engine: what runs functions on one machine, as AWS would.

mod batch;
mod builder;
mod failure;
mod fetch;
mod housekeeping;
mod late;
mod lock;
mod pulse;
mod running;
mod schedules;
mod watch;

pub use self::{
    builder::{Engine, EngineBuilder, StartError},
    failure::EngineError,
    running::{Running, Stopped},
};
