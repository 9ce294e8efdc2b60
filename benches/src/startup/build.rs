//! Building a bootstrap as it is deployed.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::StartupError;

/// A bootstrap that has been built.
#[derive(Debug, Clone)]
pub(super) struct Bootstrap {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// One message of `cargo build --message-format=json`.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
}

/// Builds a bootstrap in a build of its own: in one with others it would get their features too.
pub(super) async fn bootstrap(name: &str, progress: &(dyn Fn(&str) + Sync)) -> Result<Bootstrap, StartupError> {
    progress(&format!("building {name} with the profile bootstrap; the first time takes minutes"));
    let package = match name {
        "hello" | "stateless" | "tracked" => format!("lamplighter-{name}"),
        function => function.to_owned(),
    };
    let arguments = ["build", "--profile", "bootstrap", "--package", &package, "--bin", name];
    let failed = |reason: String| StartupError::Build {
        name: name.into(),
        command: format!("cargo {}", arguments.join(" ")),
        reason,
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).arg("--message-format=json").current_dir(workspace).stdin(Stdio::null());
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
