//! The engine: what runs functions on one machine, as AWS would.

mod batch;
mod builder;
mod fetch;
mod housekeeping;
mod lock;
mod running;
mod schedules;
mod watch;

pub use self::{
    builder::{Engine, EngineBuilder, StartError},
    running::{Running, Stopped},
};
