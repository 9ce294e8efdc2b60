//! The lock file. Cargo writes it; this module reads the names of its packages.

use std::{
    env,
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

use toml_edit::{Item, Table};

use super::manifest;
use crate::error::reason;

/// Lets cargo add new members and dependencies of a workspace to its lock file. All other packages keep their versions,
/// and no registry is asked.
///
/// Fails with cargo's error, in one line.
pub(in crate::commands) fn update_lock(root: &Path) -> Result<(), String> {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut cargo = Command::new(program);
    cargo.args(["update", "--workspace", "--offline", "--quiet", "--color", "never"]);
    let output = cargo.current_dir(root).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("cargo says: {}", in_one_line(&String::from_utf8_lossy(&output.stderr)))),
        Err(error) => Err(format!("cannot start cargo: {}", reason(&error))),
    }
}

/// Cargo's error with its causes.
fn in_one_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).skip_while(|line| !line.starts_with("error"));
    let lines = lines.filter(|line| !line.is_empty() && *line != "Caused by:");
    let lines: Vec<_> = lines.map(|line| line.trim_start_matches("error: ")).collect();
    if lines.is_empty() { "nothing".into() } else { lines.join("; ") }
}

/// A package in a lock file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::commands) struct Package {
    pub(in crate::commands) name: String,
    /// Whether it comes from a registry or a git repository, not from a path.
    pub(in crate::commands) is_fetched: bool,
}

/// All packages in a lock file.
pub(in crate::commands) fn packages(lock: &str) -> Result<Vec<Package>, String> {
    let document = manifest::parse(lock)?;
    let packages = document.as_table().get("package").and_then(Item::as_array_of_tables);
    let read = |package: &Table| {
        Some(Package { name: package.get("name")?.as_str()?.to_owned(), is_fetched: package.contains_key("source") })
    };
    Ok(packages.into_iter().flatten().filter_map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_cargo_is_one_line_with_its_causes() {
        let said = "warning: x\nerror: failed to load manifest\n\nCaused by:\n  no such `serde`\n";
        assert_eq!(in_one_line(said), "failed to load manifest; no such `serde`");
        assert_eq!(in_one_line(""), "nothing");
    }

    #[test]
    fn packages_are_read_from_a_lock_file() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nsource = \"registry\"\n\n[[package]]\nname = \"b\"\n";
        let package = |name: &str, is_fetched| Package { name: name.into(), is_fetched };
        assert_eq!(packages(lock).unwrap(), [package("a", true), package("b", false)]);
        assert_eq!(packages("version = 4\n").unwrap(), []);
        assert!(packages("[[package").unwrap_err().contains("no TOML"));
    }
}
