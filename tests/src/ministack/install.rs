//! The Python environment that the emulator lives in.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::error::{Error, Result, io, tail};

/// Everything that is installed, each at an exact version and with the hashes of its files.
const REQUIREMENTS: &str = include_str!("../../requirements.txt");

/// Written last: an environment without it, or with another text in it, is not finished.
const MARKER: &str = "installed.txt";

/// The virtual environment with the emulator, made under `target_dir` when it is not there yet.
///
/// Once made, nothing but two files is looked at: no network, no `pip`. Any number of processes may ask at the same
/// time; one makes it and the others wait. What a killed run left half made is thrown away and made again, and so is
/// an environment of other requirements.
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

/// The pinned version of the emulator.
pub(crate) fn version() -> &'static str {
    let pinned = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("ministack[full]=="));
    pinned.and_then(|pin| pin.split_whitespace().next()).unwrap_or("unpinned")
}

/// The interpreter of an environment.
pub(crate) fn python(environment: &Path) -> PathBuf {
    environment.join("bin").join("python")
}

fn is_complete(environment: &Path) -> bool {
    // The interpreter is a link to the system's, which an upgrade of the system may have taken away.
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
    // The list is complete, and pip does not take a package for pinned that is listed with an extra.
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

/// Says what is missing in words of its own: `venv` alone makes a long and different complaint on each system.
fn check_python() -> Result<()> {
    let probe = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11) and f'this is {sys.version}')";
    let probe = run(Command::new("python3").args(["-c", probe]))?;
    if probe.status.success() {
        return Ok(());
    }
    Err(Error::Python { reason: format!("`python3` on the PATH is not fit for it: {}", said(&probe)) })
}

fn run(command: &mut Command) -> Result<Output> {
    // A virtual environment or module path of the caller's must not reach into this one.
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").env_remove("VIRTUAL_ENV");
    command.output().map_err(|error| Error::Python {
        reason: format!("`{}` cannot be started: {error}", command.get_program().display()),
    })
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    tail(String::from_utf8_lossy(&text).trim(), 20)
}
