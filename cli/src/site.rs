//! The site that a dashboard shows: the place that the command line names, with what examines it.

mod file;
mod stack;

use std::{env, sync::Arc};

use lamplighter::App;
use lamplighter_arguments::BySchema;
use lamplighter_dashboard::{Desk, Rights, Site, Viewer, desk::Shared};

use self::{file::FileHealth, stack::StackHealth};
use crate::{
    catalog::Catalog,
    error::Error,
    help, ping,
    place::{Target, TargetKind},
};

/// Returns the site of a target. Its commands are shown with the options that choose the same target.
pub(crate) fn of(catalog: &Catalog, target: &Target) -> Result<Site, Error> {
    let options = target.options();
    let site = Site::new(&app(catalog), target.backend().clone(), target.env().clone(), target.operator.clone())
        .check(Arc::new(BySchema))
        .environment(&options[1])
        .command(help::PROGRAM, options);
    Ok(match target.kind() {
        TargetKind::File(embedded, _) => site.health(Arc::new(FileHealth::new(embedded.clone()))),
        TargetKind::Stack(_, name) => {
            let expected = lamplighter_infra::expected(catalog.app()).map_err(Error::failed)?;
            site.health(Arc::new(StackHealth::new(expected, name)))
        }
    })
}

/// Returns the desk at which the user of this terminal asks about a target.
pub(crate) fn desk(catalog: &Catalog, target: &Target, read_only: bool) -> Result<Desk, Error> {
    Ok(Desk::new(Shared::new(of(catalog, target)?), viewer(read_only)))
}

/// The app with what this command adds to it.
fn app(catalog: &Catalog) -> App {
    catalog.app().clone().definitions([ping::definition()])
}

/// Who looks: the user of this terminal.
pub(crate) fn viewer(read_only: bool) -> Viewer {
    let rights = if read_only { Rights::reader() } else { Rights::operator() };
    Viewer::new(user().unwrap_or_else(|| "somebody at a terminal".to_owned()), rights)
}

/// The name of the user of this terminal, as the environment tells it.
pub(crate) fn user() -> Option<String> {
    ["USER", "USERNAME", "LOGNAME"].into_iter().find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()))
}
