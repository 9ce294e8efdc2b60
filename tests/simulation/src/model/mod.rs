//! Models of the services: simple, independent of the product, and right by being read.

pub(crate) mod batches;
pub(crate) mod queue;
pub(crate) mod store;
