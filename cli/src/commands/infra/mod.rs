//! `lamp infra`.

mod azure;
mod cost;
mod limits;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lamplighter_infra::{CheckError, Freshness, TEMPLATE_PATH, check_against, examine};

use crate::{
    catalog::Catalog,
    error::{Error, reason},
    output,
};

/// Write the infrastructure template (AWS SAM), derived from the functions, the job definitions and the schedules.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp infra
  lamp infra --check
  lamp infra --json")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Infra {
    #[command(subcommand)]
    about: Option<About>,
    /// Write nothing; fail when the file differs from what would be written. For continuous integration.
    #[arg(long)]
    check: bool,
    /// The template file.
    #[arg(long, value_name = "FILE", default_value = TEMPLATE_PATH)]
    out: PathBuf,
    /// Print the template as JSON, with long-form intrinsic functions; write no file.
    #[arg(long, conflicts_with_all = ["check", "out"])]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum About {
    Azure(azure::Azure),
    Cost(cost::Cost),
    Limits(Box<limits::Limits>),
}

impl Infra {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match &self.about {
            Some(About::Azure(azure)) => return azure.run(catalog),
            Some(About::Cost(cost)) => return cost.run(catalog),
            Some(About::Limits(limits)) => return limits.run(catalog),
            None => {}
        }
        let template = lamplighter_infra::template(catalog.app()).map_err(Error::failed)?;
        examine(&template.to_json(), Timestamp::now()).map_err(Error::failed)?;
        if self.json {
            return output::print(|out| {
                serde_json::to_writer_pretty(&mut *out, &template.to_json())?;
                out.write_all(b"\n")
            });
        }
        let file = self.out.display();
        match check_against(&template, &self.out).map_err(|error| unreadable(&self.out, &error))? {
            Freshness::Fresh => output::print(|out| writeln!(out, "{file} is up to date")),
            Freshness::Stale { line } if self.check => Err(Error::failed(format_args!(
                "{file} is not what the definitions say, from line {line} on; run `lamp infra` and commit it"
            ))),
            Freshness::Missing if self.check => {
                Err(Error::failed(format_args!("there is no {file}; run `lamp infra` and commit it")))
            }
            Freshness::Stale { .. } | Freshness::Missing => {
                write(&template.to_yaml(), &self.out)?;
                output::print(|out| writeln!(out, "wrote {file}"))
            }
        }
    }
}

fn unreadable(file: &Path, error: &CheckError) -> Error {
    match error {
        CheckError::Problems(problems) => Error::failed(problems),
        CheckError::Read { source, .. } => Error::failed(format_args!(
            "cannot read {}: {}; name another file with --out",
            file.display(),
            reason(source)
        )),
    }
}

/// Writes the file atomically: a truncated template could be deployed.
fn write(text: &str, file: &Path) -> Result<(), Error> {
    let written = || -> io::Result<()> {
        let mut beside = file.as_os_str().to_owned();
        beside.push(".new");
        fs::write(&beside, text)?;
        fs::rename(&beside, file)
    };
    written().map_err(|error| {
        Error::failed(format_args!(
            "cannot write {}: {}; run it where the repository begins, or name a file with --out",
            file.display(),
            reason(&error)
        ))
    })
}
