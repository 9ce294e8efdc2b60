//! The command `lamp`, as people and scripts use it: the real program, in folders of its own.

// Helpers of tests are not tests to clippy, though they may end one all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod demo;
mod engine_end;
mod errors;
mod hostile;
mod infra;
mod init;
mod kill;
mod many;
mod names;
mod new;
mod operator;
mod package;
mod replay;
mod round_trip;
mod schedules;
mod signals;
mod stack;
mod support;
mod work;
