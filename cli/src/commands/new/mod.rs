//! `lamp new`: writes definitions, handlers, tests and the code that connects them, in the style of the workspace.
//!
//! It reads the sources ([`survey`]), checks the names ([`names`]) and plans all changes ([`changes`]) before it writes
//! the first file. Rust is changed at places found in its syntax tree ([`rust`]); new files come from the templates in
//! this folder.

pub(super) mod cargo;
pub(super) mod changes;
mod diff;
pub(super) mod function;
pub(super) mod job;
pub(super) mod manifest;
pub(super) mod names;
mod next;
pub(super) mod repository;
mod rust;
pub(super) mod rustfmt;
mod schedule;
pub(super) mod survey;
pub(super) mod template;

use clap::{Args, Subcommand};

use self::{changes::Changes, next::Step, repository::Repository, rustfmt::Rustfmt};
use crate::{
    catalog::Catalog,
    error::Error,
    output::{self, FAINT, NAME},
};

/// Add a job, a function or a schedule to this workspace.
///
/// The new code compiles, and passes clippy and its own tests. An error leaves all files as they were.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp new job invoices.send
  lamp new function invoices
  lamp new schedule invoices-nightly --job invoices.send --cron '0 3 * * *'")]
pub(crate) struct New {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Job(job::Job),
    Function(function::Function),
    Schedule(schedule::Schedule),
}

/// The options that all of them have.
#[derive(Debug, Args)]
struct Finish {
    /// Show the changes, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

impl New {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match self.what {
            What::Job(job) => job.run(catalog),
            What::Function(function) => function.run(catalog),
            What::Schedule(schedule) => schedule.run(catalog),
        }
    }
}

impl Finish {
    fn of(&self, repository: &Repository, mut changes: Changes<'_>, next: &[Step]) -> Result<(), Error> {
        changes.complete(&Rustfmt::of(repository));
        if self.dry_run {
            return changes.show();
        }
        changes.write()?;
        output::print(|out| {
            writeln!(out, "\n{FAINT}next{FAINT:#}")?;
            next.iter().try_for_each(|(what, step)| writeln!(out, "  {FAINT}{what:<13}{FAINT:#}  {NAME}{step}{NAME:#}"))
        })
    }
}
