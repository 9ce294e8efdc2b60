//! Simulation: the worker and the embedded engine in virtual time, with faults everywhere, and invariants that are checked at
//! every step.
//!
//! A seed decides everything: the jobs, what their handlers do, which hosts crash between which of their awaits, which calls
//! are lost, late or never answered. So a seed that breaks an invariant breaks it again, and tells its story.
//!
//! - [`worker`] runs a seed over the real worker, with models of SQS and of the store.
//! - [`engine`] runs a seed over the real embedded engine, with restarts and clocks that are set.
//! - [`campaign`] runs many seeds.

pub mod campaign;
mod dice;
pub mod engine;
mod faults;
mod host;
mod invariant;
mod jobs;
mod ledger;
mod life;
mod line;
mod model;
mod mutant;
mod plan;
mod producer;
mod request;
mod run;
mod story;
mod transitions;
mod world;

pub use self::{
    invariant::{Invariant, Violation},
    mutant::{Mutant, UnknownMutant},
    run::{Report, worker},
    story::Story,
    transitions::Transitions,
};
