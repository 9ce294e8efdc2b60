//! The command `lamp`: watch Lamplighter work, run it on one machine, enqueue jobs and look after them.
//!
//! One file a command in [`commands`]; what they share lies beside this file.

mod arguments;
mod catalog;
mod commands;
mod database;
mod error;
mod logging;
mod output;
mod ping;
mod place;
mod progress;
mod signals;
mod view;
mod when;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;

/// Background jobs for Rust that their host knows about.
///
/// Begin with `lamp demo`. To work with jobs of your own, start `lamp dev` in one terminal, and enqueue from another.
///
/// Commands that list write JSON lines with --json: one object a line, with field names that stay.
///
/// Exit codes: 0 all went well, 1 something failed, 2 the command line is to blame, 3 an engine ended by itself.
#[derive(Debug, Parser)]
#[command(name = "lamp", version, max_term_width = 100, arg_required_else_help = true)]
struct Lamp {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Lamp::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Lamp::command().debug_assert();
    }
}
