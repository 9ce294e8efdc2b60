//! Benchmarks.

pub mod embedded;
pub mod lambda;
pub mod startup;
