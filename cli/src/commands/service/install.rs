//! `lamp service install`.

use std::{
    env,
    ffi::OsString,
    path::{self, PathBuf},
    time::Duration,
};

use clap::Args;
use lamplighter_hosts::windows::{self, Installation};

use super::{Name, work};
use crate::{catalog::Catalog, error::Error, output};

/// Where the password of the service's account is, which would be seen on the command line.
const PASSWORD: &str = "LAMPLIGHTER_SERVICE_PASSWORD";
/// The system waits this much longer than the drain takes.
const MARGIN: Duration = Duration::from_secs(10);

/// Install this program as a service
///
/// It runs from where it is now: put it where only administrators may write.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp service install -- --stack shop --drain 5m
  lamp service install --name shop-jobs -- --db jobs.db")]
pub(super) struct Install {
    #[command(flatten)]
    name: Name,
    /// The name that people see
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// The account it runs as, with its password in LAMPLIGHTER_SERVICE_PASSWORD if it has one; by default
    /// 'NT SERVICE\NAME', which has no rights but those that you give it
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// The folder it works in: relative paths begin there, and its log is there; by default NAME in ProgramData
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Do not start it with the system
    #[arg(long)]
    manual: bool,
    /// What `lamp work` gets
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Install {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        // What is wrong with them is said here, not in the log of a service that does not start.
        let budget = work(&self.arguments)?.budget();
        let app = catalog.app().name;
        let name = self.name.or_app(catalog);
        let folder = match self.folder {
            Some(folder) => folder,
            None => program_data()?.join(&name),
        };
        let folder = path::absolute(&folder).map_err(|error| {
            Error::failed(format_args!(
                "cannot find the folder {}: {error}; name it by its whole path",
                folder.display()
            ))
        })?;
        let program = env::current_exe()
            .map_err(|error| Error::failed(format_args!("cannot find this program's file: {error}")))?;
        let mut arguments = ["service", "run", "--name", &name, "--folder"].map(OsString::from).to_vec();
        arguments.push(folder.clone().into());
        arguments.push("--".into());
        arguments.extend(self.arguments);
        let installation = Installation {
            display_name: self.display_name.unwrap_or_else(|| format!("Jobs of {app}")),
            description: format!("Runs the background jobs of {app}. Its log is in {}.", folder.display()),
            program,
            arguments,
            account: self.account.unwrap_or_else(|| format!(r"NT SERVICE\{name}")),
            password: env::var(PASSWORD).ok().filter(|password| !password.is_empty()),
            preshutdown: budget.total().saturating_add(MARGIN),
            starts_with_system: !self.manual,
            name,
        };
        windows::install(&installation).map_err(Error::failed)?;
        let Installation { name, account, .. } = installation;
        output::hint(&format!(
            "the service {name} is installed; it runs as {account} and works in {}, where its log is",
            folder.display()
        ));
        Ok(())
    }
}

fn program_data() -> Result<PathBuf, Error> {
    match env::var_os("ProgramData").filter(|folder| !folder.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => Err(Error::Usage("ProgramData is not set; name the service's folder with --folder".into())),
    }
}
