//! The command `lamp` as users and scripts run it: the real program, in folders of its own.

// Clippy does not recognize the tests' helpers as test code, though they may panic too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod batches;
mod completion;
mod dashboard;
mod demo;
mod engine_end;
mod error_groups;
mod errors;
mod hostile;
mod infra;
mod init;
mod kill;
mod manage;
mod many;
mod mounted;
mod names;
mod new;
mod operator;
mod outbox;
mod package;
mod queries;
mod replay;
mod round_trip;
mod schedules;
mod signals;
mod stack;
mod stats;
mod support;
#[cfg(unix)]
mod top;
mod tracked;
mod watch;
mod work;
