//! The Python environment of the emulator.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::{Error, Result, io, tail};

/// All packages, each at an exact version and with the hashes of its files.
const REQUIREMENTS: &str = include_str!("../../requirements.txt");

/// Written last: an environment without it, or with other content in it, is incomplete.
const MARKER: &str = "installed.txt";

/// Returns the virtual environment with the emulator, and creates it under `target_dir` if it is missing.
///
/// Once it exists, this only looks at two files: no network, no `pip`. Any number of processes may call this
/// concurrently; one creates it and the others wait. An incomplete environment of a killed run is deleted and created
/// again, and so is an environment with other requirements.
///
/// # Errors
/// When Python or its `venv` is missing, and when the packages cannot be installed.
pub fn environment(target_dir: &Path) -> Result<PathBuf> {
    let environment = target_dir.join(format!("ministack-{}", version()));
    if is_complete(&environment) {
        return Ok(environment);
    }
    fs::create_dir_all(target_dir).map_err(io("making", target_dir))?;
    let lock_path = environment.with_added_extension("lock");
    let lock = File::create(&lock_path).map_err(io("making", &lock_path))?;
    lock.lock().map_err(io("locking", &lock_path))?;
    if !is_complete(&environment) {
        make(&environment)?;
    }
    Ok(environment)
}

/// Returns the pinned version of the emulator.
pub(crate) fn version() -> &'static str {
    let pinned = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("ministack[full]=="));
    pinned.and_then(|pin| pin.split_whitespace().next()).unwrap_or("unpinned")
}

/// Returns the interpreter of an environment.
pub(crate) fn python(environment: &Path) -> PathBuf {
    environment.join("bin").join("python")
}

fn is_complete(environment: &Path) -> bool {
    // The interpreter is a link to the system's, which an upgrade of the system may have removed.
    fs::read_to_string(environment.join(MARKER)).is_ok_and(|text| text == REQUIREMENTS) && python(environment).exists()
}

fn make(environment: &Path) -> Result<()> {
    match fs::remove_dir_all(environment) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(io("removing", environment)(error));
        }
        _ => {}
    }
    check_python()?;
    let venv = run(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    if !venv.status.success() {
        return Err(Error::Python { reason: format!("`python3 -m venv` failed: {}", said(&venv)) });
    }
    let requirements = environment.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(io("writing", &requirements))?;
    // The list is complete, and pip does not treat a package as pinned that is listed with an extra.
    let pip = run(Command::new(python(environment))
        .args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--quiet"])
        .args(["--no-deps", "--require-hashes", "--requirement"])
        .arg(&requirements))?;
    if !pip.status.success() {
        return Err(Error::Install { environment: environment.to_owned(), output: said(&pip) });
    }
    let marker = environment.join(MARKER);
    fs::rename(&requirements, &marker).map_err(io("writing", &marker))
}

/// Reports a missing part in words of its own: `venv` alone prints a long and different error on each system.
fn check_python() -> Result<()> {
    let probe = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11) and f'this is {sys.version}')";
    let probe = run(Command::new("python3").args(["-c", probe]))?;
    if probe.status.success() {
        return Ok(());
    }
    Err(Error::Python { reason: format!("`python3` on the PATH is not fit for it: {}", said(&probe)) })
}

fn run(command: &mut Command) -> Result<Output> {
    // The caller's virtual environment and module path must not affect this one.
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").env_remove("VIRTUAL_ENV");
    command.output().map_err(|error| Error::Python {
        reason: format!("`{}` cannot be started: {error}", command.get_program().display()),
    })
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    tail(String::from_utf8_lossy(&text).trim(), 20)
}
