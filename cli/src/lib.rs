//! The command `lamp` for any app: it shows jobs at work, runs them on one machine, enqueues and manages jobs, derives
//! the infrastructure, and checks what is deployed.
//!
//! A program that is `lamp` for an app:
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

// One file per command in `commands`; shared code is in the files of this folder.
mod arguments;
mod catalog;
mod commands;
mod database;
pub mod demo;
mod editor;
mod error;
mod foreign;
mod help;
mod hosting;
mod logging;
mod operating;
mod output;
mod ping;
mod place;
mod progress;
mod query;
mod reveal;
mod serving;
#[cfg(test)]
#[cfg(unix)]
mod shown;
mod signals;
mod site;
mod top;
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
    /// Creates the command for this app. `lamp demo` shows its [examples](App::example).
    pub fn new(app: App) -> Self {
        Self { app, demo: None }
    }

    /// Sets a `lamp demo` of its own.
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
/// Begin with `lamp demo`. To work with your own jobs, start `lamp dev` in one terminal, and enqueue from another.
///
/// Commands that list write JSON lines with --json: one object per line, with stable field names.
///
/// Exit codes: 0 success, 1 a failure, 2 a wrong command line, 3 an engine ended by itself, 4 what was waited for
/// had not ended.
#[derive(Debug, Parser)]
#[command(name = "lamp", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Prints the error of a command line, or its help. An error quotes the input, which a script may have got from
/// elsewhere, so unsafe characters are replaced before it is formatted.
fn refused(error: &clap::Error) -> ExitCode {
    let shown = env::args_os().map(|typed| safe(&typed.to_string_lossy()).into_owned());
    match Arguments::try_parse_from(shown) {
        Err(same) => same.exit(),
        // Only the unsafe characters made the command line wrong: print the original error, with them escaped.
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
