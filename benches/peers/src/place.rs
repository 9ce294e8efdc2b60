//! Where everything is: all that is fetched, built or measured is in the folder `target` beside the manifest.

use std::{fs, path::PathBuf};

use crate::error::{Result, at};

/// The folder of this workspace.
const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// The folder of the sources.
pub(crate) fn home() -> PathBuf {
    PathBuf::from(HOME)
}

/// A folder of that name in `target`, which is made.
pub(crate) fn target(name: &str) -> Result<PathBuf> {
    let folder = home().join("target").join(name);
    fs::create_dir_all(&folder).map_err(at("making", &folder))?;
    Ok(folder)
}

/// The file with one line of JSON for each run.
pub(crate) fn runs() -> Result<PathBuf> {
    Ok(target("runs")?.join("runs.jsonl"))
}

/// The documentation.
pub(crate) fn docs() -> PathBuf {
    home().join("../../docs")
}
