//! The command `lamp` for this repository's app.

use std::process::ExitCode;

use lamplighter_app::{OwnDemo, app};
use lamplighter_cli::Lamp;

fn main() -> ExitCode {
    Lamp::new(app()).demo(OwnDemo::default()).run()
}
