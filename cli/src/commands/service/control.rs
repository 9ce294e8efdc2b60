//! `lamp service uninstall`, `lamp service start` and `lamp service stop`.

use clap::Args;
use lamplighter_hosts::windows::{self, ServiceProgress};

use super::Name;
use crate::{catalog::Catalog, error::Error, output};

/// Stop the service if it runs, and remove it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp service uninstall")]
pub(super) struct Uninstall {
    #[command(flatten)]
    name: Name,
}

/// Start the service, and wait until it runs
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp service start")]
pub(super) struct Start {
    #[command(flatten)]
    name: Name,
}

/// Stop the service, and wait until its jobs have ended or are handed back
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp service stop
  lamp service stop --name shop-jobs")]
pub(super) struct Stop {
    #[command(flatten)]
    name: Name,
}

impl Uninstall {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let name = self.name.or_app(catalog);
        windows::uninstall(&name, tell).map_err(Error::failed)?;
        output::hint(&format!("the service {name} is removed"));
        Ok(())
    }
}

impl Start {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        windows::start(&self.name.or_app(catalog), tell).map_err(Error::failed)
    }
}

impl Stop {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        windows::stop(&self.name.or_app(catalog), tell).map_err(Error::failed)
    }
}

fn tell(progress: ServiceProgress) {
    output::hint(&progress.to_string());
}
