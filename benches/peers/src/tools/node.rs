//! Drivers on Node.js, and their packages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{find, once, python, run};
use crate::{
    error::{Result, at},
    place,
};

/// The oldest version that all drivers run on: that of graphile-worker.
const OLDEST: (u32, u32) = (22, 18);

/// Returns the command of the driver of that name.
pub(super) fn driver(name: &str) -> Result<Vec<PathBuf>> {
    let bin = bin()?;
    let folder = place::target("node")?;
    let sources = place::home().join("node");
    // Beside the packages, where Node.js looks for them.
    for entry in fs::read_dir(&sources).map_err(at("reading", &sources))? {
        let from = entry.map_err(at("reading", &sources))?.path();
        if let Some(name) = from.file_name().filter(|_| from.is_file()) {
            fs::copy(&from, folder.join(name)).map_err(at("copying", &from))?;
        }
    }
    let lock = folder.join("package-lock.json");
    let text = fs::read_to_string(&lock).map_err(at("reading", &lock))?;
    once(&folder.join("installed"), &format!("{}\n{text}", bin.display()), || {
        let mut path = std::ffi::OsString::from(&bin);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut npm = Command::new(bin.join("npm"));
        // The packages bring what they need built; nothing is compiled here.
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).env("PATH", path).current_dir(&folder);
        run("`npm ci`", &mut npm).map(drop)
    })?;
    Ok(vec![bin.join("node"), folder.join(format!("{name}.mjs"))])
}

/// The folder with `node` and `npm`: that on the PATH if it is new enough; else one is fetched from PyPI.
fn bin() -> Result<PathBuf> {
    if let Some(node) = find("node", &[])
        && let Some(folder) = node.parent()
        && is_new_enough(&node)
        && folder.join("npm").is_file()
    {
        return Ok(folder.to_owned());
    }
    let requirements = place::home().join("python/node-requirements.txt");
    Ok(python::environment("nodejs", &requirements)?.join("bin"))
}

fn is_new_enough(node: &Path) -> bool {
    let said = run("asking for the version", Command::new(node).arg("--version")).unwrap_or_default();
    let mut numbers = said.trim_start_matches('v').split('.').map_while(|number| number.parse().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version: (u32, u32)| version >= OLDEST)
}
