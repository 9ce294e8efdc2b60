//! `lamp dev`.

use std::{future::pending, io::Write, path::PathBuf, time::Duration};

use clap::Args;
use lamplighter::Variables;
use lamplighter_embedded::{Engine, SqliteBackend};
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
    place::Target,
    serving::{Served, Serving},
    signals::{self, Announced},
    site, when,
};

/// Run all functions and schedules on this machine, until Ctrl-C.
///
/// Jobs come from the embedded file: enqueue them from another terminal with `lamp enqueue`. Each event is a line on
/// standard error; LAMPLIGHTER_LOG sets the log level (off, error, warn, info, debug, trace). The dashboard is shown on this
/// machine too: the link that is printed signs in once.
///
/// Ctrl-C, SIGTERM, or SIGHUP (the terminal was closed) stops it cleanly: no new job starts, and running jobs may end
/// within --grace. Those that have not ended by then go back to their queues. A second Ctrl-C stops at once; its jobs
/// are recovered when their leases end. If the file is removed or replaced meanwhile, the command ends with exit code
/// 3.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp dev
  lamp dev --db jobs.db --grace 1m
  lamp dev --outbox shop.db
  lamp dev --dashboard-port 7000
  lamp dev --no-dashboard")]
pub(crate) struct Dev {
    #[command(flatten)]
    database: Database,
    /// The time that running jobs have to end after a request to stop.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = when::delay)]
    grace: Duration,
    /// The folder or URL of the object store (file:///…, s3://bucket/prefix).
    #[arg(long, value_name = "URL", env = "LAMPLIGHTER_OBJECTS", default_value = ".lamplighter/objects")]
    objects: String,
    /// Enqueue what is committed into the outbox of this SQLite database of yours; may be given several times.
    #[arg(long, value_name = "FILE")]
    outbox: Vec<PathBuf>,
    /// The port of the dashboard on this machine; 0 for any that is free.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    dashboard_port: u16,
    /// Show no dashboard.
    #[arg(long, conflicts_with = "dashboard_port")]
    no_dashboard: bool,
}

impl Dev {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        logging::start(logging::WATCHED)?;
        let embedded = self.database.open_or_make()?;
        let signals = signals::listen("stopped at once; unfinished jobs are found again when their leases end")?;
        // Report an invalid location before anything runs.
        let objects: Location = self.objects.parse().map_err(|error: LocationError| Error::Usage(error.to_string()))?;
        let variables = Variables::system().with(OBJECTS, objects.to_string());
        let threads = runtime()?;
        let inside = threads.enter();
        let engine = Engine::builder(&embedded).app(catalog.app(), &variables).function(ping::function());
        let engine = self.outbox.iter().fold(engine, |engine, path| engine.outbox(path));
        drop(inside);
        let dashboard = match self.no_dashboard {
            true => None,
            false => Some(threads.block_on(self.dashboard(catalog, &embedded))?),
        };
        let url = dashboard.as_ref().map(Serving::url);
        if let Some(dashboard) = dashboard {
            // It ends with the threads. Without it, the engine goes on.
            threads.spawn(async {
                if let Err(error) = dashboard.run(pending::<()>()).await {
                    output::hint(&error.to_string());
                }
            });
        }
        let hint = format!("stopping: running jobs have {}; Ctrl-C again stops at once", when::short(self.grace));
        let mut lifecycle = Announced { lifecycle: signals, hint: Some(hint) };
        let until: hosting::Until<'_> = (&mut lifecycle, self.grace.into());
        hosting::tell(hosting::engine(threads, engine, &embedded, until, || self.welcome(catalog, url.as_deref()))?)
    }

    async fn dashboard(&self, catalog: &Catalog, embedded: &SqliteBackend) -> Result<Serving, Error> {
        let site = site::of(catalog, &Target::of_file(embedded.clone(), self.database.path()))?;
        Serving::open(site, site::viewer(false), Served::here(self.dashboard_port)).await
    }

    /// Prints what a first-time user wants to know.
    fn welcome(&self, catalog: &Catalog, dashboard: Option<&str>) {
        let file = self.database.path().display().to_string();
        let (file, objects) = (safe(&file), safe(&self.objects));
        let elsewhere = if self.database.is_default() { String::new() } else { format!(" --db {file}") };
        let lamp = output::invocation();
        let jobs: Vec<_> = catalog.definitions().iter().map(|definition| definition.name).collect();
        let page = match dashboard {
            Some(url) => format!("\n  {FAINT}page{FAINT:#}     {NAME}{url}{NAME:#}"),
            None => String::new(),
        };
        let mut err = anstream::stderr().lock();
        // A closed terminal is no reason to stop.
        let _ = writeln!(
            err,
            "{STRONG}Lamplighter is running.{STRONG:#} Ctrl-C stops it.\n\
             \x20 {FAINT}app{FAINT:#}      {}\n\
             \x20 {FAINT}jobs{FAINT:#}     {}\n\
             \x20 {FAINT}file{FAINT:#}     {file}\n\
             \x20 {FAINT}objects{FAINT:#}  {}{page}\n\
             \x20 {FAINT}try{FAINT:#}      {NAME}{lamp} enqueue lamp.ping '{{\"sleep_ms\": 250}}'{elsewhere}{NAME:#}\n\
             \x20          {NAME}{lamp} jobs{elsewhere}{NAME:#}",
            catalog.app().name,
            jobs.join(", "),
            objects,
        );
    }
}
