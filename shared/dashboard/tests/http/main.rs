//! The router over the embedded backend in memory: what it answers, to whom, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod documents;
mod edits;
mod guards;
mod hostile;
mod letters;
mod operations;
mod reads;
mod rights;
mod shown;
mod silent;
mod support;
