//! `lamp init`: creates a workspace with an app of its own.
//!
//! It checks the names and plans all files before it writes the first one, like `lamp new`, whose templates of a
//! function and a job it uses too. The other files come from the templates in this folder; the infrastructure template
//! is [derived](infrastructure).

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

/// Create a workspace: an app with one function and one job, their tests, the infrastructure, and the command lamp for
/// it.
///
/// An error leaves the folder as it was.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp init ../shop
  lamp init shop --path ../lamplighter --function orders --job orders.confirm")]
pub(crate) struct Init {
    /// The folder: a new one, or an empty one.
    folder: PathBuf,
    /// The name of the app, its crate and its stack [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The name of the first function, its crate and its queue.
    #[arg(long, value_name = "NAME", default_value = FUNCTION)]
    function: String,
    /// The name of its first job [default: greetings.send; with --function: NAME.run]
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    #[command(flatten)]
    source: Source,
    /// List the files, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The default of the first function, and its job.
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
        files::plan(&names, &library, lock, &mut changes)?;
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
        ("test it", "cargo test --workspace".into()),
        ("add to it", format!("cargo lamp new job {}.other", names.function)),
        ("read", "README.md".into()),
    ];
    output::print(|out| {
        writeln!(out, "\n{FAINT}next{FAINT:#}")?;
        steps.iter().try_for_each(|(what, step)| writeln!(out, "  {FAINT}{what:<9}{FAINT:#}  {NAME}{step}{NAME:#}"))
    })
}
