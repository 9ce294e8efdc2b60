//! `lamp infra azure`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use lamplighter_infra::{AZURE_FOLDER, AZURE_HANDLER, AzureFiles, FileState};

use super::{unreadable, write};
use crate::{
    catalog::Catalog,
    error::{Error, reason},
    output,
};

/// Write the files for Azure Functions: host.json, a function.json for each queue and schedule, and a template of the
/// resources.
///
/// Schedules are written as NCRONTAB in UTC; one that NCRONTAB cannot express is an error. Queues of Azure Storage keep
/// no order, so a FIFO queue is an error too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp infra azure
  lamp infra azure --check")]
pub(crate) struct Azure {
    /// Write nothing; fail when a file differs from what would be written. For continuous integration.
    #[arg(long)]
    check: bool,
    /// The output folder.
    #[arg(long, value_name = "DIR", default_value = AZURE_FOLDER)]
    out: PathBuf,
    /// The name of the program that serves the functions, which is deployed beside host.json.
    #[arg(long, value_name = "PROGRAM", default_value = AZURE_HANDLER)]
    handler: String,
}

impl Azure {
    pub(super) fn run(&self, catalog: &Catalog) -> Result<(), Error> {
        let files = AzureFiles::derive(catalog.app(), &self.handler).map_err(Error::failed)?;
        let folder = self.out.display();
        let differing = files.check(&self.out).map_err(|error| unreadable(&self.out, &error))?;
        match differing.first() {
            None => return output::print(|out| writeln!(out, "{folder} is up to date")),
            Some(first) if self.check => return Err(self.outdated(first)),
            Some(_) => {}
        }
        for state in &differing {
            let path = self.out.join(state.path());
            let done = match files.get(state.path()) {
                Some(text) => {
                    make_folder_of(&path)?;
                    write(text, &path)?;
                    "wrote"
                }
                None => {
                    remove(&path)?;
                    "removed"
                }
            };
            output::print(|out| writeln!(out, "{done} {}", path.display()))?;
        }
        Ok(())
    }

    fn outdated(&self, state: &FileState) -> Error {
        let file = self.out.join(state.path());
        let file = file.display();
        let what = match state {
            FileState::Stale { line, .. } => format!("{file} is not what the definitions say, from line {line} on"),
            FileState::Missing { .. } => format!("there is no {file}"),
            FileState::Superfluous { .. } => format!("{file} is of a queue or schedule that the app does not have"),
        };
        Error::failed(format_args!("{what}; run `lamp infra azure` and commit it"))
    }
}

fn make_folder_of(file: &Path) -> Result<(), Error> {
    let Some(folder) = file.parent() else { return Ok(()) };
    fs::create_dir_all(folder).map_err(|error| {
        Error::failed(format_args!(
            "cannot make the folder {}: {}; name another with --out",
            folder.display(),
            reason(&error)
        ))
    })
}

/// Removes the trigger of a queue or schedule that no longer exists, and its folder if nothing else is in it.
fn remove(file: &Path) -> Result<(), Error> {
    let failed = |error: &io::Error| {
        Error::failed(format_args!("cannot remove {}: {}; remove it by hand", file.display(), reason(error)))
    };
    fs::remove_file(file).map_err(|error| failed(&error))?;
    match file.parent().map(fs::remove_dir) {
        Some(Err(error)) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(failed(&error)),
        _ => Ok(()),
    }
}
