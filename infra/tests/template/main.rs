//! The template that is derived from functions and definitions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod app;
mod committed;
mod contradictions;
mod dashboard;
mod documented;
mod numbers;
mod rights;
mod rules;
mod secrets;
mod snapshot;
mod support;
mod workers;
