//! `lamp service`: a worker as a Windows service.

mod control;
mod install;
mod run;

use std::ffi::OsString;

use clap::{Args, FromArgMatches, Subcommand};

use super::work::Work;
use crate::{catalog::Catalog, error::Error};

/// Run jobs as a Windows service: install, uninstall, start and stop it
///
/// What comes behind `--` is given to `lamp work`. The service starts with the system, is restarted when it fails, and
/// lets running jobs end within --drain, also when the system shuts down. Only administrators may do this.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    lamp service install -- --stack shop --drain 5m\n  \
    lamp service start\n  \
    lamp service stop\n  \
    lamp service install --name shop-jobs --folder D:\\shop -- --db jobs.db")]
pub(crate) struct Service {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Install(install::Install),
    Uninstall(control::Uninstall),
    Start(control::Start),
    Stop(control::Stop),
    Run(run::Run),
}

/// Which service.
#[derive(Debug, Args)]
struct Name {
    /// The service's name; by default the app's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Service {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match self.verb {
            Verb::Install(install) => install.run(catalog),
            Verb::Uninstall(uninstall) => uninstall.run(catalog),
            Verb::Start(start) => start.run(catalog),
            Verb::Stop(stop) => stop.run(catalog),
            Verb::Run(run) => run.run(catalog),
        }
    }
}

impl Name {
    fn or_app(self, catalog: &Catalog) -> String {
        self.name.unwrap_or_else(|| catalog.app().name.to_owned())
    }
}

/// Reads the arguments of `lamp work`.
fn work(arguments: &[OsString]) -> Result<Work, Error> {
    let command = Work::augment_args(clap::Command::new("lamp work").no_binary_name(true).disable_help_flag(true));
    let read = command.try_get_matches_from(arguments).and_then(|matches| Work::from_arg_matches(&matches));
    read.map_err(|error| {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        Error::Usage(format!("`lamp work` cannot be given this: {}", first.strip_prefix("error: ").unwrap_or(first)))
    })
}
