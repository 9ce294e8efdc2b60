//! `cargo lamp-bench`: benchmarks on this machine.

mod engine;
mod lambda;
mod output;
mod startup;

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

/// An error: one sentence that says what went wrong.
type Error = Box<dyn std::error::Error>;

/// Measure the embedded engine on this machine, relative to the machine's own yardstick.
///
/// Every figure has its ratio to bare SQLite (one row per transaction, same disk, same pragmas), which runs before and
/// after it, since machines are noisy. It is measured with the users' default settings, in a release build.
#[derive(Debug, Parser)]
#[command(name = "lamp-bench", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    engine: engine::EngineFigures,
}

#[derive(Debug, Subcommand)]
enum What {
    Startup(startup::Startup),
    Lambda(lambda::Lambda),
}

impl Bench {
    fn run(self) -> Result<(), Error> {
        if cfg!(debug_assertions) {
            return Err("this is a debug build, whose figures say nothing: run `cargo lamp-bench`".into());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            match self.what {
                Some(What::Startup(startup)) => startup.run().await,
                Some(What::Lambda(lambda)) => lambda.run().await,
                None => self.engine.run().await,
            }
        })
    }
}

fn main() -> ExitCode {
    match Bench::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of the output has closed it.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Bench::command().debug_assert();
    }
}
