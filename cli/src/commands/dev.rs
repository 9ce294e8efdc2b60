//! `lamp dev`.

use std::{io::Write, time::Duration};

use clap::Args;
use lamplighter::Variables;
use lamplighter_embedded::Engine;
use lamplighter_objects::{Location, LocationError, OBJECTS};

use super::runtime;
use crate::{
    catalog::Catalog,
    database::Database,
    error::Error,
    foreign::safe,
    hosting, logging,
    output::{self, FAINT, NAME, STRONG},
    ping,
    signals::{self, Announced},
    when,
};

/// Run all functions and schedules on this machine, until Ctrl-C.
///
/// Jobs come from the embedded file: enqueue them from another terminal with `lamp enqueue`. Every event is a line on
/// standard error; LAMPLIGHTER_LOG sets how much is told (off, error, warn, info, debug, trace).
///
/// Ctrl-C, SIGTERM, or SIGHUP (the terminal was closed) stops cleanly: nothing new begins, and what runs may end within
/// --grace. What has not ended then goes back to its queue. A second Ctrl-C stops at once; its jobs are found again when
/// their leases end. When the file is removed or replaced meanwhile, it ends by itself, with exit code 3.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    database: Database,
    /// How long running jobs may take to end once a stop has been asked for.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = when::delay)]
    grace: Duration,
    /// The folder or URL of the object store (file:///…, s3://bucket/prefix).
    #[arg(long, value_name = "URL", env = "LAMPLIGHTER_OBJECTS", default_value = ".lamplighter/objects")]
    objects: String,
}

impl Dev {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        logging::start()?;
        let embedded = self.database.open_or_make()?;
        let signals = signals::listen("stopped at once; unfinished jobs are found again when their leases end")?;
        // What is wrong with it is said before anything runs.
        let objects: Location = self.objects.parse().map_err(|error: LocationError| Error::Usage(error.to_string()))?;
        let variables = Variables::system().with(OBJECTS, objects.to_string());
        let threads = runtime()?;
        let inside = threads.enter();
        let engine = Engine::builder(&embedded).app(catalog.app(), &variables).function(ping::function());
        drop(inside);
        let hint = format!("stopping: running jobs have {}; Ctrl-C again stops at once", when::short(self.grace));
        let mut lifecycle = Announced { lifecycle: signals, hint: Some(hint) };
        let until: hosting::Until<'_> = (&mut lifecycle, self.grace.into());
        hosting::tell(hosting::engine(threads, engine, &embedded, until, || self.welcome(catalog))?)
    }

    /// What somebody who sees this for the first time wants to know.
    fn welcome(&self, catalog: &Catalog) {
        let file = self.database.path().display().to_string();
        let (file, objects) = (safe(&file), safe(&self.objects));
        let elsewhere = if self.database.is_default() { String::new() } else { format!(" --db {file}") };
        let lamp = output::invocation();
        let jobs: Vec<_> = catalog.definitions().iter().map(|definition| definition.name).collect();
        let mut err = anstream::stderr().lock();
        // A terminal that is gone is no reason to stop.
        let _ = writeln!(
            err,
            "{STRONG}Lamplighter is running.{STRONG:#} Ctrl-C stops it.\n\
             \x20 {FAINT}app{FAINT:#}      {}\n\
             \x20 {FAINT}jobs{FAINT:#}     {}\n\
             \x20 {FAINT}file{FAINT:#}     {file}\n\
             \x20 {FAINT}objects{FAINT:#}  {}\n\
             \x20 {FAINT}try{FAINT:#}      {NAME}{lamp} enqueue lamp.ping '{{\"sleep_ms\": 250}}'{elsewhere}{NAME:#}\n\
             \x20          {NAME}{lamp} jobs{elsewhere}{NAME:#}",
            catalog.app().name,
            jobs.join(", "),
            objects,
        );
    }
}
