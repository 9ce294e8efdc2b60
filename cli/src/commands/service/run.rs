//! `lamp service run`.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use lamplighter_hosts::{detect_with, windows::WindowsService};

use super::{Name, work};
use crate::{catalog::Catalog, error::Error, hosting, logging};

/// What the service manager starts: `lamp work`, ended by the service manager in place of signals
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp service run --folder D:\\shop -- --db jobs.db")]
pub(super) struct Run {
    #[command(flatten)]
    name: Name,
    /// The folder it works in
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// What `lamp work` gets
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Run {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let Self { name, folder, arguments } = self;
        let name = name.or_app(catalog);
        let serve = |service| match serve(catalog, &folder, &arguments, service) {
            Ok(()) => 0,
            Err(error) => {
                tracing::error!(%error, "the service ends");
                error.code().into()
            }
        };
        WindowsService::run(&name, serve).map_err(Error::failed)
    }
}

fn serve(catalog: &Catalog, folder: &Path, arguments: &[OsString], service: WindowsService) -> Result<(), Error> {
    // Made by the service, it belongs to the service's account.
    fs::create_dir_all(folder).and_then(|()| env::set_current_dir(folder)).map_err(|error| {
        Error::failed(format_args!(
            "cannot work in {}: {error}; let the service's account write there",
            folder.display()
        ))
    })?;
    logging::start_in(folder)?;
    let work = work(arguments)?;
    let mut lifecycle = detect_with(service, work.surroundings()).map_err(Error::failed)?;
    let drained = work.host(catalog, &mut lifecycle)?;
    tracing::info!("stopped; {drained}");
    hosting::outcome(drained)
}
