//! `lamp new`: definitions, handlers, tests and what joins them, written into the repository in its own style.
//!
//! The sources are read ([`survey`]), names are checked ([`names`]), and everything is worked out ([`changes`]) before the
//! first file is written. Rust is changed at places that its syntax tells ([`rust`]); new files begin as the templates
//! beside this file.

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

/// Add a job, a function or a schedule to this repository.
///
/// What is written compiles, passes clippy and its own tests, and says what to do next. When anything is wrong, nothing is
/// written.
#[derive(Debug, Args)]
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

/// What all of them end with.
#[derive(Debug, Args)]
struct Finish {
    /// Show what would be written, and write nothing.
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
