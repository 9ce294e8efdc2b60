//! The command `lamp` for the harbour.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamplighter_cli::run(harbour::app())
}
