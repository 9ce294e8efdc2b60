//! Drivers in Python, and the virtual environment that they run in.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{find, once, run};
use crate::{
    error::{Error, Result, at},
    place,
};

/// Returns the command of the driver of that name.
pub(super) fn driver(name: &str) -> Result<Vec<PathBuf>> {
    let sources = place::home().join("python");
    let requirements = sources.join("requirements.txt");
    let environment = environment("python", &requirements)?;
    Ok(vec![environment.join("bin/python"), sources.join(format!("{name}.py"))])
}

/// Makes a virtual environment with these requirements, and returns its folder.
pub(super) fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(requirements).map_err(at("reading", requirements))?;
    let python = find("python3", &[])
        .ok_or_else(|| Error::Tool("there is no `python3` on the PATH: install Debian's python3-venv".into()))?;
    let folder = place::target(name)?;
    once(&folder.join("requirements"), &text, || {
        let mut make = Command::new(&python);
        make.args(["-m", "venv", "--clear"]).arg(&folder);
        run("making a virtual environment (Debian's package is python3-venv)", &mut make)?;
        let mut install = Command::new(folder.join("bin/python"));
        install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(requirements);
        run(&format!("installing {}", text.split_whitespace().collect::<Vec<_>>().join(", ")), &mut install).map(drop)
    })?;
    Ok(folder)
}
