//! Workspaces outside of this repository, which depend on it by paths.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::elsewhere::{Elsewhere, Own};
use crate::ministack::error::{io as at, tail};
use crate::ministack::workspace::{Workspace, cargo};
use crate::ministack::{Error, Result};

/// A folder for a workspace outside of this repository. It is locked against other tests while this value lives.
#[derive(Debug)]
pub struct Outside {
    workspace: Elsewhere,
    library: PathBuf,
    _lock: File,
}

/// The crate through which a workspace shares built crates.
const SHARED: &str = "shared-build";

impl Outside {
    /// Returns an empty folder of that name, at a path that is the same in each run, so that unchanged crates are not
    /// built again.
    ///
    /// # Errors
    /// When it cannot be created or emptied.
    pub fn take(name: &str) -> Result<Self> {
        let workspace = Workspace::get()?;
        let mut hasher = DefaultHasher::new();
        workspace.target_directory.hash(&mut hasher);
        let folder = std::env::temp_dir().join(format!("lamplighter-outside-{:016x}", hasher.finish()));
        fs::create_dir_all(&folder).map_err(at("making", &folder))?;
        let lock_path = folder.join(format!("{name}.lock"));
        let lock = File::create(&lock_path).map_err(at("making", &lock_path))?;
        lock.lock().map_err(at("locking", &lock_path))?;
        let root = folder.join(name);
        if root.exists() {
            fs::remove_dir_all(&root).map_err(at("emptying", &root))?;
        }
        fs::create_dir(&root).map_err(at("making", &root))?;
        let target = workspace.target_directory.join("tests/outside").join(name);
        let elsewhere = Elsewhere::new(root, target, Own::Outside, &[])?;
        Ok(Self { workspace: elsewhere, library: workspace.workspace_root.clone(), _lock: lock })
    }

    /// Returns the path of this repository.
    #[must_use]
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root().join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(at("making", folder))?;
        }
        fs::write(&path, text).map_err(at("writing", &path))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Result<String> {
        let path = self.root().join(path);
        fs::read_to_string(&path).map_err(at("reading", &path))
    }

    /// Makes these packages share the crates that this repository has built. Cargo chooses the features of each crate
    /// for all packages that are built together, so they depend on a crate that depends on all of this repository, and
    /// use its lock file.
    ///
    /// # Errors
    /// When a manifest cannot be changed, or cargo refuses it.
    pub fn share_build(&self, packages: &[&str]) -> Result<()> {
        let mut manifest = format!(
            "[package]\nname = \"{SHARED}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n\
             [lib]\ntest = false\ndoctest = false\n\n[dependencies]\n"
        );
        for package in libraries()? {
            // Writing into a `String` does not fail.
            let _ = writeln!(manifest, "{} = {{ path = {:?} }}", package.name, package.folder());
        }
        self.write(&format!("shared/{SHARED}/Cargo.toml"), &manifest)?;
        self.write(&format!("shared/{SHARED}/src/lib.rs"), "//! Nothing.\n")?;
        for package in packages {
            let path = format!("{package}/Cargo.toml");
            let depth = "../".repeat(Path::new(package).components().count());
            let line = format!("[dependencies]\n{SHARED} = {{ path = \"{depth}shared/{SHARED}\" }}\n");
            self.write(&path, &self.read(&path)?.replace("[dependencies]\n", &line))?;
        }
        if !self.root().join("Cargo.lock").exists() {
            let (from, to) = (self.library.join("Cargo.lock"), self.root().join("Cargo.lock"));
            fs::copy(&from, &to).map_err(at("copying", &from))?;
        }
        self.run(cargo().args(["update", "--workspace", "--quiet"])).map(drop)
    }

    /// Runs a shell command there, as a reader of a page would.
    ///
    /// # Errors
    /// When it fails: with the end of its output.
    pub fn shell(&self, line: &str) -> Result<String> {
        self.run(Command::new("sh").args(["-c", line]))
    }
}

impl Deref for Outside {
    type Target = Elsewhere;

    fn deref(&self) -> &Elsewhere {
        &self.workspace
    }
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// A package of this repository.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

/// Returns the packages of this repository that others can depend on.
fn libraries() -> Result<Vec<Package>> {
    let mut command = cargo();
    command.args(["metadata", "--no-deps", "--offline", "--format-version=1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let what = || "`cargo metadata`".to_owned();
    let output = command.output().map_err(|source| Error::Io { what: what(), source })?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|error| {
        let output = tail(&String::from_utf8_lossy(&output.stderr), 20);
        Error::Cargo { what: what(), output: format!("{error}: {output}") }
    })?;
    let is_library =
        |package: &Package| package.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "lib"));
    Ok(metadata.packages.into_iter().filter(is_library).collect())
}
