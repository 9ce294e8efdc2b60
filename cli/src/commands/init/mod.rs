//! `lamp init`: a new workspace with an app of its own.
//!
//! Names are checked and all files are worked out before the first one is written, as in `lamp new`, whose templates of a
//! function and a job are used here too. The other files begin as the templates beside this file; the infrastructure
//! template is [derived](infrastructure).

mod files;
mod folder;
mod infrastructure;
mod library;
mod names;

use std::path::{Path, PathBuf};

use clap::Args;

use self::{folder::Folder, library::Source, names::Names};
use super::new::{changes::Changes, repository::Repository, rustfmt::Rustfmt};
use crate::{
    error::Error,
    output::{self, FAINT, NAME},
};

/// Make a new workspace: an app with one function and one job, their tests, infrastructure and this command.
///
/// When anything is wrong, nothing is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp init ../shop
  lamp init shop --path ../lamplighter --function orders --job orders.confirm")]
pub(crate) struct Init {
    /// The folder; made if it is not there, and it must be empty.
    folder: PathBuf,
    /// The app's name, which its crate and its stack get too [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The first function's name, which its crate and its queue get too.
    #[arg(long, value_name = "NAME", default_value = FUNCTION)]
    function: String,
    /// Its first job's name [default: greetings.send, or that of the function and .run]
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    #[command(flatten)]
    source: Source,
    /// Show which files would be made, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The first function of those who name none, and its job.
const FUNCTION: &str = "greetings";
const JOB: &str = "greetings.send";

impl Init {
    pub(super) fn run(self) -> Result<(), Error> {
        let folder = Folder::new(&self.folder)?;
        let library = self.source.library(folder.path())?;
        let lock = library.lock()?;
        let names = self.names(&folder, lock.as_deref())?;
        let repository = Repository::at(folder.path().to_owned());
        let mut changes = Changes::new(&repository);
        files::make(&names, &library, lock, &mut changes)?;
        changes.complete(&Rustfmt::without_settings(folder.existing()));
        if self.dry_run {
            return changes.list();
        }
        changes.write()?;
        say_next(&self.folder, &names)
    }

    fn names(&self, folder: &Folder, lock: Option<&str>) -> Result<Names, Error> {
        let name = match &self.name {
            Some(name) => name,
            None => folder.name()?,
        };
        let job = match &self.job {
            Some(job) => job.clone(),
            None if self.function == FUNCTION => JOB.to_owned(),
            None => format!("{}.run", self.function),
        };
        Names::new(name, &self.function, &job, lock)
    }
}

fn say_next(folder: &Path, names: &Names) -> Result<(), Error> {
    let folder = folder.display();
    let steps = [
        ("go there", format!("cd {folder}")),
        ("watch it", "cargo lamp demo".into()),
        ("its tests", "cargo test --workspace".into()),
        ("add to it", format!("cargo lamp new job {}.other", names.function)),
        ("all else", "README.md".into()),
    ];
    output::print(|out| {
        writeln!(out, "\n{FAINT}next{FAINT:#}")?;
        steps.iter().try_for_each(|(what, step)| writeln!(out, "  {FAINT}{what:<9}{FAINT:#}  {NAME}{step}{NAME:#}"))
    })
}
