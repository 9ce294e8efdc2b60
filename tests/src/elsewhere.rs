//! Cargo in a workspace other than this repository's.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::ministack::error::tail;
use crate::ministack::workspace::{Workspace, cargo, leave_environment_of_test};
use crate::ministack::{Error, Result, package};

/// A workspace in another folder. Third-party crates are those that this repository has built already, where they have
/// the same features and settings; its own are built beside it, and some of them are linted with clippy whenever they are
/// compiled: a warning is an error. `cargo clippy` would say the same, after it has checked every dependency.
#[derive(Debug)]
pub struct Elsewhere {
    root: PathBuf,
    target: PathBuf,
    build: PathBuf,
    debug: &'static str,
    settings: Vec<String>,
    /// The program that compiles and lints.
    lint: PathBuf,
    /// The folders with the crates that are linted, as that program expects them.
    linted: String,
}

/// The workspaces whose crates are kept apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Own {
    /// A copy of this repository.
    Copy,
    /// Workspaces that depend on this repository.
    Outside,
}

impl Elsewhere {
    /// Returns the workspace in `root`. The level of debug information distinguishes its own crates from the crates of
    /// this repository, so that neither replaces the other's: `own` chooses one of the levels that this repository does
    /// not have.
    ///
    /// # Errors
    /// When cargo does not return this repository's target folder.
    pub(crate) fn new(root: PathBuf, target: PathBuf, own: Own, settings: &[&str]) -> Result<Self> {
        let workspace = Workspace::get()?;
        let build = workspace.build_directory.clone().unwrap_or_else(|| workspace.target_directory.clone());
        let here = env::var("CARGO_PROFILE_DEV_DEBUG").unwrap_or_default();
        let here = if matches!(&*here, "0" | "false") { "none" } else { &*here };
        // Without the variable, this repository has the level of its manifest.
        let here = if here.is_empty() { "line-tables-only" } else { here };
        let mut others =
            ["none", "line-directives-only", "line-tables-only"].into_iter().filter(|level| *level != here);
        let debug = others.nth(own as usize).unwrap_or("limited");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let lint = workspace.workspace_root.join(".ci/lint-and-compile");
        let linted = match own {
            // What is unchanged there is linted here.
            Own::Copy => format!("{0}/functions:{0}/shared/jobs", root.display()),
            Own::Outside => root.display().to_string(),
        };
        Ok(Self { root, target, build, debug, settings, lint, linted })
    }

    /// Returns its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the path of a program that was built there.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// Returns the archives of bootstraps that were built there.
    ///
    /// # Errors
    /// When one cannot be packed.
    pub fn bootstraps<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, PathBuf>> {
        names.into_iter().map(|name| Ok((name.to_owned(), package::archive(name, &self.binary(name))?))).collect()
    }

    /// Runs cargo there, without a network and with the lock file unchanged.
    ///
    /// # Errors
    /// When it fails: with the end of its output.
    pub fn cargo(&self, subcommand: &str, arguments: &[&str]) -> Result<String> {
        let mut command = cargo();
        command.arg(subcommand);
        if subcommand != "fmt" {
            command.arg("--locked");
            command.args(self.settings.iter().flat_map(|setting| ["--config", setting]));
        }
        self.run(command.args(arguments))
    }

    /// Runs a program there. Cargo runs that it starts use no network.
    ///
    /// # Errors
    /// Like [`cargo`](Self::cargo).
    pub fn run(&self, command: &mut Command) -> Result<String> {
        command.env("CARGO_PROFILE_DEV_DEBUG", self.debug).env("CARGO_BUILD_BUILD_DIR", &self.build);
        command.env("CARGO_TARGET_DIR", &self.target).env("CARGO_NET_OFFLINE", "true").env("CARGO_TERM_COLOR", "never");
        command.env("RUSTC_WORKSPACE_WRAPPER", &self.lint).env("LINT_ROOTS", &self.linted);
        command.current_dir(&self.root).stdin(Stdio::null());
        leave_environment_of_test(command);
        for (name, _) in env::vars_os() {
            // The output depends on no settings of this process.
            if name.to_str().is_some_and(|name| name.starts_with("LAMPLIGHTER_")) {
                command.env_remove(name);
            }
        }
        let what = format!("`{command:?}`");
        let output = command.output().map_err(|source| Error::Io { what: format!("starting {what}"), source })?;
        match output.status.success() {
            true => Ok(text(&output)),
            false => Err(Error::Cargo { what, output: tail(&text(&output), 80) }),
        }
    }
}

/// Returns a program's output.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}
