//! The router over the embedded backend in memory: what it answers, to whom, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod broken;
mod documents;
mod edits;
mod foreign;
mod guards;
mod hostile;
mod letters;
mod operations;
mod read_only;
mod reads;
mod repeats;
mod rights;
mod shown;
mod silent;
mod sizes;
mod support;
