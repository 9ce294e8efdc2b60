//! Drivers in Rust: each is a workspace of its own, with its own lock.

use std::{path::PathBuf, process::Command};

use super::run;
use crate::{error::Result, place};

/// Builds the driver in the folder of that name.
pub(super) fn driver(name: &str) -> Result<Vec<PathBuf>> {
    let target = place::target(name)?;
    eprintln!("building the driver of {name}, the first time for minutes");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--release", "--locked", "--quiet", "--manifest-path"]);
    command.arg(place::home().join(name).join("Cargo.toml")).arg("--target-dir").arg(&target);
    run(&format!("building the driver of {name}"), &mut command)?;
    Ok(vec![target.join("release").join(format!("peers-{name}"))])
}
