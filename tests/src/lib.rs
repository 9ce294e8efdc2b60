//! Behaviours that every backend must show, and the tests that run them.

pub mod conformance;
pub mod copy;
pub mod ministack;
pub mod wire;
