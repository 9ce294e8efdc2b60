//! `lamp dev`.

use std::{io::Write, process, time::Duration};

use clap::Args;
use lamplighter_embedded::{Embedded, Engine, Running};
use lamplighter_objects::Objects;

use super::block_on_handlers;
use crate::{
    catalog,
    database::Database,
    error::Error,
    logging,
    output::{self, FAINT, NAME, STRONG},
    signals::Signals,
    when,
};

/// Run all functions and schedules on this machine, until Ctrl-C.
///
/// Jobs come from the embedded file: enqueue them from another terminal with `lamp enqueue`. Every event is a line on
/// standard error; LAMPLIGHTER_LOG sets how much is told (debug, info, warn, error).
///
/// Ctrl-C or SIGTERM stops cleanly: nothing new begins, and what runs may end within --grace. What has not ended then
/// goes back to its queue. When the file is removed or replaced meanwhile, it ends by itself, with exit code 3. A second Ctrl-C stops at once; its jobs are found again when their leases end.
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
    pub(super) fn run(self) -> Result<(), Error> {
        logging::start();
        block_on_handlers(async {
            let embedded = self.database.open_or_make()?;
            let mut signals = Signals::listen()?;
            let running = self.start(&embedded).await?;
            self.welcome();
            let failed = tokio::select! {
                () = signals.next() => None,
                error = running.failed() => Some(error),
            };
            match failed {
                None => self.stop(running, signals).await?,
                Some(error) => {
                    running.stop(Duration::ZERO).await;
                    return Err(error.into());
                }
            }
            Ok(embedded.close().await?)
        })
    }

    async fn start(&self, embedded: &Embedded) -> Result<Running, Error> {
        let objects = Objects::from_url(&self.objects).map_err(|error| Error::Usage(error.to_string()))?;
        let mut engine = Engine::builder(embedded).schedules(catalog::schedules());
        for function in catalog::functions(webhooks::function(), objects) {
            engine = engine.function(function);
        }
        engine.start().await.map_err(Error::failed)
    }

    async fn stop(&self, running: Running, mut signals: Signals) -> Result<(), Error> {
        output::hint(&format!("stopping: running jobs have {}; Ctrl-C again stops at once", when::short(self.grace)));
        tokio::select! {
            stopped = running.stop(self.grace) => {
                output::hint(&format!("stopped; {stopped}"));
                Ok(())
            }
            () = signals.next() => {
                output::hint("stopped at once; unfinished jobs are found again when their leases end");
                process::exit(130)
            }
        }
    }

    /// What somebody who sees this for the first time wants to know.
    fn welcome(&self) {
        let file = self.database.path().display();
        let elsewhere = if self.database.is_default() { String::new() } else { format!(" --db {file}") };
        let lamp = output::invocation();
        let jobs: Vec<_> = catalog::definitions().iter().map(|definition| definition.name).collect();
        let mut err = anstream::stderr().lock();
        // A terminal that is gone is no reason to stop.
        let _ = writeln!(
            err,
            "{STRONG}Lamplighter is running.{STRONG:#} Ctrl-C stops it.\n\
             \x20 {FAINT}jobs{FAINT:#}     {}\n\
             \x20 {FAINT}file{FAINT:#}     {file}\n\
             \x20 {FAINT}objects{FAINT:#}  {}\n\
             \x20 {FAINT}try{FAINT:#}      {NAME}{lamp} enqueue lamp.ping '{{\"sleep_ms\": 250}}'{elsewhere}{NAME:#}\n\
             \x20          {NAME}{lamp} jobs{elsewhere}{NAME:#}",
            jobs.join(", "),
            self.objects,
        );
    }
}
