//! Benchmarks.

pub mod embedded;
pub mod startup;
