//! Builds a bootstrap as it is deployed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::StartupError;

/// A bootstrap that has been built.
#[derive(Debug, Clone)]
pub(crate) struct Bootstrap {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// One message of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
}

/// The metadata of this workspace.
#[derive(Deserialize)]
struct Workspace {
    packages: Vec<Package>,
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Returns the binaries of the packages that cargo builds by default.
pub(crate) fn default_binaries() -> Result<Vec<String>, StartupError> {
    let failed = |reason: &dyn std::fmt::Display| StartupError::Functions(reason.to_string());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let asked = cargo().args(arguments).stdin(Stdio::null()).output().map_err(|error| failed(&error))?;
    if !asked.status.success() {
        return Err(failed(&String::from_utf8_lossy(&asked.stderr).trim()));
    }
    let workspace: Workspace = serde_json::from_slice(&asked.stdout).map_err(|error| failed(&error))?;
    let defaults =
        workspace.packages.iter().filter(|package| workspace.workspace_default_members.contains(&package.id));
    let binaries =
        defaults.flat_map(|package| &package.targets).filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    Ok(binaries.map(|target| target.name.clone()).collect())
}

/// Returns a command for cargo in this workspace.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")));
    command
}

/// Builds a bootstrap separately: in a build with others it would get their features too.
pub(crate) async fn bootstrap(name: &str, progress: &(dyn Fn(&str) + Sync)) -> Result<Bootstrap, StartupError> {
    progress(&format!("building {name} with the profile bootstrap; the first time takes minutes"));
    let package = match name {
        "hello" | "hand-written" | "stateless" | "traced" | "tracked" => format!("lamplighter-{name}"),
        function => function.to_owned(),
    };
    let arguments = ["build", "--profile", "bootstrap", "--package", &package, "--bin", name];
    let failed = |reason: String| StartupError::Build {
        name: name.into(),
        command: format!("cargo {}", arguments.join(" ")),
        reason,
    };
    let mut command = cargo();
    command.args(arguments).arg("--message-format=json").stdin(Stdio::null());
    let built = tokio::task::spawn_blocking(move || command.output()).await;
    let built = built.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error")).collect();
        return Err(failed(errors.first().map_or_else(|| built.status.to_string(), |line| (*line).to_owned())));
    }
    let output = String::from_utf8_lossy(&built.stdout);
    let messages = output.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let path = messages.filter_map(|message| message.executable).next_back();
    let path = path.ok_or_else(|| failed("cargo names no executable".into()))?;
    let bytes = std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?.len();
    Ok(Bootstrap { name: name.into(), path, bytes })
}

#[cfg(test)]
mod tests {
    #[test]
    fn cargo_builds_the_functions_of_this_deployment_by_default() {
        let functions = super::default_binaries().unwrap();
        assert!(functions.iter().any(|name| name == "webhooks"), "{functions:?}");
        assert!(!functions.iter().any(|name| ["hello", "lamp-bench"].contains(&name.as_str())), "{functions:?}");
    }
}
