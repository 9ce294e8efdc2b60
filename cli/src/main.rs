//! The command `lamp`: watch Lamplighter work, run it on one machine, enqueue jobs and look after them.
//!
//! One file a command in [`commands`]; what they share lies beside this file.

mod arguments;
mod catalog;
mod commands;
mod database;
mod error;
mod foreign;
mod logging;
mod output;
mod ping;
mod place;
mod progress;
mod signals;
mod view;
mod when;

use std::{env, process::ExitCode};

use clap::Parser;

use crate::{
    commands::Command,
    foreign::{safe, safe_lines},
};

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
    let lamp = match Lamp::try_parse() {
        Ok(lamp) => lamp,
        Err(error) => return refused(&error),
    };
    match lamp.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::report(&error),
    }
}

/// What is wrong with the command line, or its help. An error quotes what was typed, which a script may have got from
/// elsewhere, and lays it out: so it is made of what may be shown.
fn refused(error: &clap::Error) -> ExitCode {
    let shown = env::args_os().map(|typed| safe(&typed.to_string_lossy()).into_owned());
    match Lamp::try_parse_from(shown) {
        Err(same) => same.exit(),
        // What was typed was wrong for just that which is shown in another way.
        Ok(_) => safe_lines(&error.render().to_string()).for_each(|line| output::complain(&line)),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Lamp::command().debug_assert();
    }
}
