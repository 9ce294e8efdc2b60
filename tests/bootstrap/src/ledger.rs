//! The runs of all jobs: one line per run, in a file that all environments append to.

use std::{fs, io::Write, path::Path};

use jiff::Timestamp;
use lamplighter::{Context, JobError};
use serde::{Deserialize, Serialize};

/// The environment variable that names the file.
pub const LEDGER: &str = "LAMPLIGHTER_E2E_LEDGER";

/// The name of a file beside the ledger: it says that the cause of the failures is repaired.
pub const REPAIRED: &str = "repaired";

/// One run of a handler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The job's label.
    pub label: String,
    /// The job's id.
    pub id: String,
    /// Its attempt.
    pub attempt: u32,
    /// When it began.
    pub at: Timestamp,
    /// The process id of the environment that ran it.
    pub process: u32,
}

/// Records a run.
///
/// # Errors
/// When the file cannot be written.
pub fn write(label: &str, ctx: &Context) -> Result<(), JobError> {
    let run = Run {
        label: label.to_owned(),
        id: ctx.id().to_string(),
        attempt: ctx.attempt(),
        at: Timestamp::now(),
        process: std::process::id(),
    };
    let mut line = serde_json::to_string(&run)?;
    line.push('\n');
    let path = std::env::var(LEDGER)?;
    // One write of a short line is atomic: lines of other processes come before or after it.
    fs::File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())?;
    Ok(())
}

pub(crate) fn is_repaired() -> Result<bool, JobError> {
    let ledger = std::env::var(LEDGER)?;
    Ok(Path::new(&ledger).with_file_name(REPAIRED).exists())
}

/// Returns whether the current run is its job's first one.
pub(crate) fn is_first(ctx: &Context) -> Result<bool, JobError> {
    let runs = read(Path::new(&std::env::var(LEDGER)?))?;
    Ok(runs.iter().filter(|run| run.id == ctx.id().as_str()).count() <= 1)
}

/// Returns all runs, in the order in which they began; none while there is no file.
///
/// # Errors
/// When the file cannot be read, or has other content.
pub fn read(path: &Path) -> std::io::Result<Vec<Run>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(std::io::Error::other)).collect()
}
