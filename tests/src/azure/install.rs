//! Azurite's packages.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use super::error::{Error, Result, io};
use crate::ministack::tail;

/// The package and all its dependencies, each at an exact version and with the hash of its files.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../../azurite/package.json")),
    ("package-lock.json", include_str!("../../azurite/package-lock.json")),
    (".npmrc", include_str!("../../azurite/.npmrc")),
];

/// Written last: a folder without it, or with other content in it, is incomplete.
const MARKER: &str = "installed.json";

/// Returns the folder with Azurite, and installs it under `target_dir` if it is missing. Any number of processes may
/// call this concurrently; one installs it and the others wait.
///
/// # Errors
/// When Node.js or npm is missing, and when the packages cannot be installed.
pub(super) fn azurite(target_dir: &Path) -> Result<PathBuf> {
    let folder = target_dir.join("azurite");
    fs::create_dir_all(&folder).map_err(io("making", &folder))?;
    let lock_path = folder.join("lock");
    let lock = File::create(&lock_path).map_err(io("making", &lock_path))?;
    lock.lock().map_err(io("locking", &lock_path))?;
    let installed = fs::read_to_string(folder.join(MARKER)).is_ok_and(|text| text == FILES[1].1);
    if !installed {
        make(&folder)?;
    }
    Ok(folder)
}

fn make(folder: &Path) -> Result<()> {
    let modules = folder.join("node_modules");
    match fs::remove_dir_all(&modules) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io("removing", &modules)(error)),
        _ => {}
    }
    for (name, text) in FILES {
        let path = folder.join(name);
        fs::write(&path, text).map_err(io("writing", &path))?;
    }
    check_node()?;
    let npm = run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder))?;
    if !npm.status.success() {
        return Err(Error::Install { output: said(&npm) });
    }
    let marker = folder.join(MARKER);
    fs::write(&marker, FILES[1].1).map_err(io("writing", &marker))
}

fn check_node() -> Result<()> {
    let probe = "process.exit(Number(process.versions.node.split('.')[0]) < 18 ? 1 : 0)";
    let node = run(Command::new("node").args(["-e", probe]))?;
    if node.status.success() {
        return Ok(());
    }
    let version = run(Command::new("node").arg("--version"))?;
    Err(Error::Node { reason: format!("`node` on the PATH is {}", said(&version)) })
}

fn run(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().map_err(|error| Error::Node {
        reason: format!("`{}` cannot be started: {error}", command.get_program().display()),
    })
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    tail(String::from_utf8_lossy(&text).trim(), 20)
}
