//! Cargo's metadata of this workspace.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde::Deserialize;

use super::error::{Error, Result, tail};

/// The parts of `cargo metadata` that the harness needs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) target_directory: PathBuf,
    /// The folder for cargo's intermediate files.
    pub(crate) build_directory: Option<PathBuf>,
    pub(crate) workspace_root: PathBuf,
}

impl Workspace {
    /// Returns the metadata; cargo runs once per process.
    pub(crate) fn get() -> Result<&'static Self> {
        static ANSWER: OnceLock<std::result::Result<Workspace, String>> = OnceLock::new();
        let answer = ANSWER.get_or_init(|| {
            let mut command = cargo();
            command.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
            command.current_dir(env!("CARGO_MANIFEST_DIR"));
            let output = command.output().map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(tail(&String::from_utf8_lossy(&output.stderr), 20));
            }
            serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
        });
        answer.as_ref().map_err(|output| Error::Cargo { what: "`cargo metadata`".into(), output: output.clone() })
    }
}

/// Returns a command for the cargo that runs the tests, [in an environment of its own](leave_environment_of_test).
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    leave_environment_of_test(&mut command);
    command
}

/// Removes the variables that cargo has set for the running test alone. Build scripts of cargo runs that the command starts
/// would see them as a change, and build again what depends on them: half of the large dependencies.
pub(crate) fn leave_environment_of_test(command: &mut Command) {
    let of_the_test =
        ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| of_the_test.iter().any(|prefix| name.starts_with(prefix))) {
            command.env_remove(name);
        }
    }
}
