//! A copy of this repository, to be changed, built and run.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::ministack::error::{io as at, tail};
use crate::ministack::workspace::{Workspace, cargo};
use crate::ministack::{Error, Result, package};

/// A copy of what git tracks, as it is now. No other test has it while this one lives.
#[derive(Debug)]
pub struct Copy {
    root: PathBuf,
    target: PathBuf,
    build: PathBuf,
    _lock: File,
}

impl Copy {
    /// Makes the copy, or brings the last one up to date: what has not changed keeps its time, and is not built again.
    ///
    /// What is built lies beside it. Crates of others are those that this repository has built already: they go by the
    /// same settings. Its own have other settings for debugging, so that neither takes the other's place. There is one
    /// copy only: cargo would take the crates of two for each other.
    ///
    /// # Errors
    /// Without git, and when files cannot be copied.
    pub fn take() -> Result<Self> {
        let workspace = Workspace::get()?;
        let folder = workspace.target_directory.join("tests/copy");
        fs::create_dir_all(&folder).map_err(at("making", &folder))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(at("making", &lock_path))?;
        lock.lock().map_err(at("locking", &lock_path))?;
        let copy = Self {
            root: folder.join("repository"),
            target: folder.join("target"),
            build: workspace.build_directory.clone().unwrap_or_else(|| workspace.target_directory.clone()),
            _lock: lock,
        };
        let names = tracked(&workspace.workspace_root)?;
        let mut kept = BTreeSet::new();
        for name in &names {
            let from = workspace.workspace_root.join(name);
            // What is deleted and not yet committed is not there either.
            if from.is_file() {
                bring(&from, &copy.root.join(name))?;
                kept.insert(copy.root.join(name));
            }
        }
        clear(&copy.root, &kept)?;
        Ok(copy)
    }

    /// Where it lies.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program that was built there.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.target.join("debug").join(name)
    }

    /// The archives of bootstraps that were built there.
    ///
    /// # Errors
    /// When one cannot be packed.
    pub fn bootstraps<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, PathBuf>> {
        names.into_iter().map(|name| Ok((name.to_owned(), package::archive(name, &self.binary(name))?))).collect()
    }

    /// Runs cargo there, without a network and with the lock file as it is.
    ///
    /// # Errors
    /// When it fails: with the end of what it said.
    pub fn cargo(&self, subcommand: &str, arguments: &[&str]) -> Result<String> {
        let mut command = cargo();
        command.arg(subcommand);
        if subcommand != "fmt" {
            command.args(["--locked", "--offline", "--target-dir"]).arg(&self.target);
            // It is built anew after each change, and nobody waits for its pictures here.
            command.args(["--config", "profile.dev.package.images.opt-level=0"]);
        }
        self.run(command.args(arguments))
    }

    /// Runs a program there.
    ///
    /// # Errors
    /// As [`cargo`](Self::cargo).
    pub fn run(&self, command: &mut Command) -> Result<String> {
        // Nothing in the output but what it says.
        let others = env::var("CARGO_PROFILE_DEV_DEBUG").unwrap_or_default();
        let debug = if matches!(&*others, "0" | "false" | "none") { "line-directives-only" } else { "none" };
        command.env("CARGO_PROFILE_DEV_DEBUG", debug).env("CARGO_BUILD_BUILD_DIR", &self.build);
        command.env("CARGO_TERM_COLOR", "never").current_dir(&self.root).stdin(Stdio::null());
        for (name, _) in env::vars_os() {
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

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// What git tracks, from the root.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(root).stdin(Stdio::null());
    let output =
        git.output().map_err(|source| Error::Io { what: "starting git, which must be installed".into(), source })?;
    if !output.status.success() {
        return Err(Error::Cargo { what: "`git ls-files`".into(), output: text(&output) });
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

/// Copies a file that is another.
fn bring(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(at("reading", from))?;
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(at("making", folder))?;
    }
    fs::copy(from, to).map(|_| ()).map_err(at("writing", to))
}

/// Removes everything else: what an earlier run has made.
fn clear(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(at("reading", folder))? {
        let path = entry.map_err(at("reading", folder))?.path();
        if path.is_dir() {
            clear(&path, kept)?;
            // Where something is left, it stays.
            let _ = fs::remove_dir(&path);
        } else if !kept.contains(&path) {
            fs::remove_file(&path).map_err(at("removing", &path))?;
        }
    }
    Ok(())
}
