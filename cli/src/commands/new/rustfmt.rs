//! Formatting with the workspace's own settings.

use std::{
    env,
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::repository::Repository;

/// The formatter. Without one, new code stays as the templates have it.
pub(in crate::commands) struct Rustfmt {
    program: OsString,
    folder: PathBuf,
    /// Settings for a folder without a `rustfmt.toml`.
    settings: Option<&'static str>,
}

/// The settings of a new workspace, the same as in its `rustfmt.toml`.
const SETTINGS: &str = "max_width=120,use_small_heuristics=Max";

impl Rustfmt {
    /// The formatter that `cargo fmt` would run.
    pub(super) fn of(repository: &Repository) -> Self {
        Self { program: program(), folder: repository.root().to_owned(), settings: None }
    }

    /// The formatter for a workspace that does not exist yet. It runs in a folder around it.
    pub(in crate::commands) fn without_settings(folder: &Path) -> Self {
        Self { program: program(), folder: folder.to_owned(), settings: Some(SETTINGS) }
    }

    /// The formatted text; `None` where rustfmt is missing or does not parse it.
    pub(super) fn format(&self, text: &str) -> Option<String> {
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "--edition", "2024", "--emit", "stdout"]);
        command.args(self.settings.iter().flat_map(|settings| ["--config", *settings]));
        // The settings, and the toolchain where a folder chooses it, are the workspace's.
        command.current_dir(&self.folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        child.stdin.take()?.write_all(text.as_bytes()).ok()?;
        let output = child.wait_with_output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|_| output.status.success())
    }

    /// Returns whether a text is formatted, as far as rustfmt can say.
    pub(super) fn is_formatted(&self, text: &str) -> bool {
        self.format(text).is_none_or(|formatted| formatted == text)
    }
}

fn program() -> OsString {
    env::var_os("RUSTFMT").unwrap_or_else(|| "rustfmt".into())
}
