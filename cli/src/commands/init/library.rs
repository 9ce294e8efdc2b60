//! The source of Lamplighter in a new workspace.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use toml_edit::{InlineTable, Value};

use super::super::new::manifest;
use crate::error::{Error, reason};

/// The source of Lamplighter on the command line.
#[derive(Debug, Args)]
pub(super) struct Source {
    /// Depend on this checkout of Lamplighter [default: the one around the current folder]
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["git", "version"])]
    path: Option<PathBuf>,
    /// Depend on this git repository.
    #[arg(long, value_name = "URL", conflicts_with = "version")]
    git: Option<String>,
    /// The commit of the git repository [default: the newest one, which Cargo.lock then pins]
    #[arg(long, value_name = "COMMIT", requires = "git")]
    rev: Option<String>,
    /// Depend on this version in the registry.
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

/// The source of Lamplighter.
#[derive(Debug)]
pub(super) enum Library {
    /// The absolute path of a checkout on this machine.
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
    /// Fails without a source, for a folder that is not a checkout, and for a workspace inside of the checkout.
    pub(super) fn library(&self, workspace: &Path) -> Result<Library, Error> {
        for (option, value) in [("--git", &self.git), ("--rev", &self.rev), ("--version", &self.version)] {
            let is_good = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            if value.as_ref().is_some_and(|text| !is_good(text)) {
                return Err(Error::Usage(format!(
                    "the value of {option} is empty, or has characters other than ASCII letters, digits and signs"
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
                    "name the source of Lamplighter: --path FOLDER (a checkout of it), --git URL, or --version VERSION"
                        .into(),
                )
            })?,
        };
        if workspace.starts_with(&checkout) {
            return Err(Error::Usage(format!(
                "{} is inside Lamplighter's own repository; name a folder outside",
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
            "{} is not a checkout of Lamplighter: its {folder} is not the crate {name}; name another folder",
            typed.display()
        ))),
        None => Ok(root),
    }
}

/// The checkout around the current folder.
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
    /// The value of one of the crates in `[workspace.dependencies]`.
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

    /// The initial lock file: that of the checkout, so that the workspace uses the same versions, and no registry is
    /// needed where the checkout has been built.
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
    fn every_source_becomes_valid_toml() {
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
