//! Formatting, by the repository's own settings.

use std::{
    env,
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::repository::Repository;

/// The formatter. Where there is none, what is written stays as it is.
pub(in crate::commands) struct Rustfmt {
    program: OsString,
    folder: PathBuf,
    /// The settings, where none are in the folder.
    settings: Option<&'static str>,
}

/// Those of a new workspace, as its `rustfmt.toml` has them.
const SETTINGS: &str = "max_width=120,use_small_heuristics=Max";

impl Rustfmt {
    /// The formatter that `cargo fmt` would run.
    pub(super) fn of(repository: &Repository) -> Self {
        Self { program: program(), folder: repository.root().to_owned(), settings: None }
    }

    /// The formatter for a workspace that is not there yet, run in a folder around it.
    pub(in crate::commands) fn without_settings(folder: &Path) -> Self {
        Self { program: program(), folder: folder.to_owned(), settings: Some(SETTINGS) }
    }

    /// The text as it should be; none where that cannot be told.
    pub(super) fn format(&self, text: &str) -> Option<String> {
        let mut command = Command::new(&self.program);
        command.args(["--quiet", "--edition", "2024", "--emit", "stdout"]);
        command.args(self.settings.iter().flat_map(|settings| ["--config", *settings]));
        // Its settings, and the toolchain where that is chosen by folder, are the repository's.
        command.current_dir(&self.folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        child.stdin.take()?.write_all(text.as_bytes()).ok()?;
        let output = child.wait_with_output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|_| output.status.success())
    }

    /// Whether it is as it should be, as far as that can be told.
    pub(super) fn is_formatted(&self, text: &str) -> bool {
        self.format(text).is_none_or(|formatted| formatted == text)
    }
}

fn program() -> OsString {
    env::var_os("RUSTFMT").unwrap_or_else(|| "rustfmt".into())
}
