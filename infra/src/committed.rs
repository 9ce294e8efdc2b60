//! The template in the repository, and the check that it is up to date.

use std::{io, path::Path};

use lamplighter::App;

use crate::{Problems, Template, template};

/// The path of the template, from the repository's root.
pub const TEMPLATE_PATH: &str = "infra/template.yaml";

/// The result of comparing a template file with the derived template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// They are the same.
    Fresh,
    /// They differ: the first line that differs, counted from 1.
    Stale {
        /// The line.
        line: usize,
    },
    /// The file does not exist.
    Missing,
}

/// Why a template file could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// No template can be derived.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The file exists, but cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
}

/// Compares a template file with the template of this app.
///
/// # Errors
/// When definitions contradict each other, and when the file cannot be read.
pub fn check(app: &App, path: &Path) -> Result<Freshness, CheckError> {
    check_against(&template(app)?, path)
}

/// Compares a template file with a template. Line ends do not matter.
///
/// # Errors
/// When the file cannot be read.
pub fn check_against(template: &Template, path: &Path) -> Result<Freshness, CheckError> {
    let there = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Freshness::Missing),
        Err(source) => return Err(CheckError::Read { path: path.display().to_string(), source }),
    };
    Ok(match first_difference(&there, &template.to_yaml()) {
        Some(line) => Freshness::Stale { line },
        None => Freshness::Fresh,
    })
}

/// Returns the first line, counted from 1, in which two texts differ. Line ends do not matter.
pub(crate) fn first_difference(there: &str, wanted: &str) -> Option<usize> {
    let (mut there, mut wanted) = (there.lines(), wanted.lines());
    for line in 1.. {
        match (there.next(), wanted.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            _ => return Some(line),
        }
    }
    None
}
