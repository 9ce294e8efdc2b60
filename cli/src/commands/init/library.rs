//! Where a new workspace has Lamplighter from.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use toml_edit::{InlineTable, Value};

use super::super::new::manifest;
use crate::error::{Error, reason};

/// Where Lamplighter comes from, as it is typed.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// Depend on this checkout of Lamplighter [default: the one that the current folder is in]
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["git", "version"])]
    path: Option<PathBuf>,
    /// Depend on this git repository.
    #[arg(long, value_name = "URL", conflicts_with = "version")]
    git: Option<String>,
    /// The commit of the git repository; by default the newest one, which Cargo.lock then names.
    #[arg(long, value_name = "COMMIT", requires = "git")]
    rev: Option<String>,
    /// Depend on this version in the registry.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

/// Where Lamplighter comes from.
#[derive(Debug)]
pub(super) enum Library {
    /// A checkout on this machine, absolute.
    Path(PathBuf),
    Git {
        url: String,
        rev: Option<String>,
    },
    Version(String),
}

/// The crates that a workspace depends on, and their folders in a checkout.
pub(super) const CRATES: [(&str, &str); 3] =
    [("lamplighter", "shared/lamplighter"), ("lamplighter-aws", "shared/aws"), ("lamplighter-cli", "cli")];

impl Source {
    /// Fails where there is no such checkout, where it would be around the new workspace, and where none is named.
    pub(super) fn library(&self, workspace: &Path) -> Result<Library, Error> {
        for (option, value) in [("--git", &self.git), ("--rev", &self.rev), ("--version", &self.version)] {
            let is_good = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            if value.as_ref().is_some_and(|text| !is_good(text)) {
                return Err(Error::Usage(format!(
                    "what {option} says is empty or has characters that do not belong there"
                )));
            }
        }
        if let Some(url) = &self.git {
            return Ok(Library::Git { url: url.clone(), rev: self.rev.clone() });
        }
        if let Some(version) = &self.version {
            return Ok(Library::Version(version.clone()));
        }
        let checkout = match &self.path {
            Some(path) => self::checkout(path)?,
            None => around_here().ok_or_else(|| {
                Error::Usage(
                    "say where Lamplighter comes from: --path FOLDER (a checkout of it), --git URL, or --version VERSION"
                        .into(),
                )
            })?,
        };
        if workspace.starts_with(&checkout) {
            return Err(Error::Usage(format!(
                "{} is inside of Lamplighter's own repository; name a folder outside of it",
                workspace.display()
            )));
        }
        Ok(Library::Path(checkout))
    }
}

fn checkout(typed: &Path) -> Result<PathBuf, Error> {
    let root = fs::canonicalize(typed).map_err(|error| {
        Error::Usage(format!("cannot read {}: {}; name a checkout of Lamplighter", typed.display(), reason(&error)))
    })?;
    match CRATES.iter().find(|(name, folder)| !has(&root, name, folder)) {
        Some((name, folder)) => Err(Error::Usage(format!(
            "{} is no checkout of Lamplighter: {folder} there is not the crate {name}; name another folder",
            typed.display()
        ))),
        None => Ok(root),
    }
}

/// The checkout that the current folder is in.
fn around_here() -> Option<PathBuf> {
    let here = fs::canonicalize(env::current_dir().ok()?).ok()?;
    let root = here.ancestors().find(|root| CRATES.iter().all(|(name, folder)| has(root, name, folder)))?;
    Some(root.to_owned())
}

fn has(root: &Path, name: &str, folder: &str) -> bool {
    let text = fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap_or_default();
    manifest::package_name(&text).is_ok_and(|there| there == name)
}

impl Library {
    /// The value that `[workspace.dependencies]` has for one of the crates.
    pub(super) fn dependency(&self, folder: &str) -> String {
        let mut table = InlineTable::new();
        match self {
            Self::Path(root) => {
                table.insert("path", root.join(folder).display().to_string().into());
            }
            Self::Git { url, rev } => {
                table.insert("git", url.into());
                if let Some(rev) = rev {
                    table.insert("rev", rev.into());
                }
            }
            Self::Version(version) => return Value::from(version).to_string(),
        }
        table.to_string()
    }

    /// The lock file to begin with, so that the workspace is built from the same crates as the checkout, and those that
    /// are on this machine are enough.
    pub(super) fn lock(&self) -> Result<Option<String>, Error> {
        let Self::Path(root) = self else { return Ok(None) };
        let path = root.join("Cargo.lock");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::failed(format_args!(
                "cannot read {}: {}; check its permissions",
                path.display(),
                reason(&error)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_toml_whatever_was_typed() {
        let git = Library::Git { url: "https://example.com/a\"b".into(), rev: Some("abc".into()) };
        let value: Value = git.dependency("cli").parse().unwrap();
        let table = value.as_inline_table().unwrap();
        assert_eq!(table.get("git").and_then(Value::as_str), Some("https://example.com/a\"b"));
        assert_eq!(table.get("rev").and_then(Value::as_str), Some("abc"));
        assert_eq!(Library::Version("0.1".into()).dependency("cli"), "\"0.1\"");
        let path = Library::Path("/x y".into());
        assert_eq!(path.dependency("shared/aws"), r#"{ path = "/x y/shared/aws" }"#);
    }
}
