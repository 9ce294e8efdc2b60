//! The command `lamp`, for any app: watch its jobs run, run it on one machine, enqueue jobs and look after them, derive its
//! infrastructure and check what is deployed.
//!
//! A program that is `lamp` for an app is this:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! # use lamplighter::App;
//! # fn app() -> App { App::new("shop") }
//! fn main() -> ExitCode {
//!     lamplighter_cli::run(app())
//! }
//! ```

// One file a command in `commands`; what they share is beside this file.
mod arguments;
mod catalog;
mod commands;
mod database;
pub mod demo;
mod error;
mod foreign;
mod hosting;
mod logging;
mod output;
mod ping;
mod place;
mod progress;
mod reveal;
mod signals;
mod view;
mod when;

use std::{env, process::ExitCode};

use clap::Parser;
use lamplighter::App;

use crate::{
    catalog::Catalog,
    commands::Command,
    demo::Demo,
    foreign::{safe, safe_lines},
};

/// Runs the command `lamp` for this app, with the arguments of this process.
pub fn run(app: App) -> ExitCode {
    Lamp::new(app).run()
}

/// The command `lamp` for one app.
#[must_use = "it does nothing until it is run"]
pub struct Lamp {
    app: App,
    demo: Option<Box<dyn Demo>>,
}

impl Lamp {
    /// For this app. `lamp demo` shows its [examples](App::example).
    pub fn new(app: App) -> Self {
        Self { app, demo: None }
    }

    /// With a `lamp demo` of its own.
    pub fn demo(mut self, demo: impl Demo + 'static) -> Self {
        self.demo = Some(Box::new(demo));
        self
    }

    /// Runs it, with the arguments of this process.
    pub fn run(self) -> ExitCode {
        let Arguments { command } = match Arguments::try_parse() {
            Ok(arguments) => arguments,
            Err(error) => return refused(&error),
        };
        match command.run(&Catalog::new(self.app), self.demo) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => output::report(&error),
        }
    }
}

/// Background jobs for Rust that their host knows about.
///
/// Begin with `lamp demo`. To work with jobs of your own, start `lamp dev` in one terminal, and enqueue from another.
///
/// Commands that list write JSON lines with --json: one object a line, with field names that stay.
///
/// Exit codes: 0 all went well, 1 something failed, 2 the command line is to blame, 3 an engine ended by itself.
#[derive(Debug, Parser)]
#[command(name = "lamp", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What is wrong with the command line, or its help. An error quotes what was typed, which a script may have got from
/// elsewhere, and lays it out: so it is made of what may be shown.
fn refused(error: &clap::Error) -> ExitCode {
    let shown = env::args_os().map(|typed| safe(&typed.to_string_lossy()).into_owned());
    match Arguments::try_parse_from(shown) {
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
        super::Arguments::command().debug_assert();
    }
}
