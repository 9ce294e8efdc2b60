//! What drivers run on: fetched or found when it is first needed, and said plainly when it is not to be had.

mod node;
mod python;
mod rust;
pub(crate) mod servers;

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    error::{Error, Result},
    subjects::Runtime,
};

/// The beginnings of the command lines of drivers, as far as they have been needed.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    ready: BTreeMap<String, std::result::Result<Vec<PathBuf>, String>>,
}

impl Tools {
    /// Returns the program and its first arguments. What failed once is not tried again.
    pub(crate) fn driver(&mut self, runtime: Runtime) -> Result<Vec<PathBuf>> {
        let key = format!("{runtime:?}");
        if !self.ready.contains_key(&key) {
            let made = match runtime {
                Runtime::Rust(name) => rust::driver(name),
                Runtime::Node(name) => node::driver(name),
                Runtime::Python(name) => python::driver(name),
            };
            self.ready.insert(key.clone(), made.map_err(|error| error.to_string()));
        }
        self.ready[&key].clone().map_err(Error::Tool)
    }
}

/// Looks for a program on the PATH, then in these folders.
pub(crate) fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).chain(folders.iter().cloned());
    all.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs a program to its end.
fn run(what: &str, command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Io { what: format!("{what}: starting {:?}", command.get_program()), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.trim().lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(Error::Tool(format!("{what}: {}: {}", output.status, last.join(" / "))))
}

/// Runs `make` unless a file says that it was done with the same text.
fn once(stamp: &Path, text: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::fs::read_to_string(stamp).is_ok_and(|there| there == text) {
        return Ok(());
    }
    eprintln!("fetching what is needed into {}", stamp.parent().unwrap_or(stamp).display());
    make()?;
    std::fs::write(stamp, text).map_err(crate::error::at("writing", stamp))
}
