//! A copy of this repository, to be changed, built and run.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::elsewhere::{Elsewhere, Own, text};
use crate::ministack::error::io as at;
use crate::ministack::workspace::Workspace;
use crate::ministack::{Error, Result};

/// A copy of all files that git tracks, in their current state. It is locked against other tests while this value
/// lives.
#[derive(Debug)]
pub struct Copy {
    workspace: Elsewhere,
    _lock: File,
}

impl Copy {
    /// Creates the copy, or updates the last one: unchanged files keep their times, and are not built again.
    ///
    /// There is only one copy: cargo would confuse the crates of two.
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
        // They are rebuilt after each change, and no test waits for what they compute.
        let settings = ["profile.dev.package.images.opt-level=0", "profile.dev.package.imports.opt-level=0"];
        let elsewhere = Elsewhere::new(folder.join("repository"), folder.join("target"), Own::Copy, &settings)?;
        let copy = Self { workspace: elsewhere, _lock: lock };
        let names = tracked(&workspace.workspace_root)?;
        let mut kept = BTreeSet::new();
        for name in &names {
            let from = workspace.workspace_root.join(name);
            // A deleted file may still be tracked.
            if from.is_file() {
                bring(&from, &copy.root().join(name))?;
                kept.insert(copy.root().join(name));
            }
        }
        clear(copy.root(), &kept)?;
        Ok(copy)
    }
}

impl Deref for Copy {
    type Target = Elsewhere;

    fn deref(&self) -> &Elsewhere {
        &self.workspace
    }
}

/// Returns the files that git tracks, relative to the root.
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

/// Copies a file if it differs.
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

/// Removes everything else: the files of an earlier run.
pub(crate) fn clear(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(at("reading", folder))? {
        let path = entry.map_err(at("reading", folder))?.path();
        if path.is_dir() {
            clear(&path, kept)?;
            // A folder with files in it stays.
            let _ = fs::remove_dir(&path);
        } else if !kept.contains(&path) {
            fs::remove_file(&path).map_err(at("removing", &path))?;
        }
    }
    Ok(())
}
