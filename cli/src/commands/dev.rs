//! `lamp dev`.

use std::{io::Write, time::Duration};

use clap::Args;
use lamplighter::Variables;
use lamplighter_embedded::{Engine, EngineBuilder, SqliteBackend};
use lamplighter_objects::{Location, LocationError, OBJECTS};
use tokio::{runtime::Runtime, time::timeout};

use super::runtime;
use crate::{
    catalog::Catalog,
    database::Database,
    error::Error,
    foreign::safe,
    logging,
    output::{self, FAINT, NAME, STRONG},
    ping,
    signals::Signals,
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
        let signals = Signals::listen("stopped at once; unfinished jobs are found again when their leases end")?;
        // What is wrong with it is said before anything runs.
        let objects: Location = self.objects.parse().map_err(|error: LocationError| Error::Usage(error.to_string()))?;
        let variables = Variables::system().with(OBJECTS, objects.to_string());
        let threads = runtime()?;
        let inside = threads.enter();
        let engine = Engine::builder(&embedded).app(catalog.app(), &variables).function(ping::function());
        drop(inside);
        run_until(threads, signals, (self.grace, PATIENCE), &embedded, engine, || self.welcome(catalog))
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

/// How much longer than the grace a stop may take, before it is given up: the engine hands back within ten seconds, unless
/// its threads are blocked.
const PATIENCE: Duration = Duration::from_secs(12);

/// Runs an engine until the process is asked to end, and stops it within the grace.
///
/// Signals and time are waited for outside of the engine's threads: handlers that block those, all of them even, keep
/// nobody from stopping it.
fn run_until(
    threads: Runtime,
    signals: Signals,
    (grace, patience): (Duration, Duration),
    embedded: &SqliteBackend,
    engine: EngineBuilder,
    started: impl FnOnce(),
) -> Result<(), Error> {
    let running = threads.block_on(engine.start()).map_err(Error::failed)?;
    started();
    let control = super::control()?;
    let (stopped, failed) = control.block_on(async {
        let failed = tokio::select! {
            () = signals.asked() => None,
            error = running.failed() => Some(error),
        };
        let grace = if failed.is_none() { grace } else { Duration::ZERO };
        if failed.is_none() {
            output::hint(&format!("stopping: running jobs have {}; Ctrl-C again stops at once", when::short(grace)));
        }
        (timeout(grace.saturating_add(patience), running.stop(grace)).await, failed)
    });
    // A thread that is blocked still would be waited for otherwise; its job has been told to end, and has not.
    threads.shutdown_background();
    if let Some(error) = failed {
        return Err(error.into());
    }
    control.block_on(embedded.close())?;
    match stopped {
        Ok(stopped) => output::hint(&format!("stopped; {stopped}")),
        Err(_) => output::hint(
            "stopped; some handlers block their threads and did not end, so their jobs are found again when their leases end",
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex, mpsc};

    use lamplighter::{Context, Function, Job, JobError, Queue, State, env::Env};
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Block {}

    impl Job for Block {
        const NAME: &'static str = "test.block";
        const QUEUE: Queue = Queue::standard("blocked").batch_size(1).max_concurrency(1000);
    }

    #[derive(Clone)]
    struct Gate {
        entered: mpsc::Sender<()>,
        open: Arc<(Mutex<bool>, Condvar)>,
    }

    /// As a handler should not.
    async fn block(_: Block, _: Context, State(gate): State<Gate>) -> Result<(), JobError> {
        gate.entered.send(()).unwrap();
        let (open, opened) = &*gate.open;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Ok(())
    }

    #[test]
    fn handlers_that_block_every_thread_keep_nobody_from_stopping_it() {
        let (entered, entering) = mpsc::channel();
        let gate = Gate { entered, open: Arc::default() };
        let embedded = SqliteBackend::memory(Env::system()).unwrap();
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        threads.block_on(async {
            for answer in embedded.client().enqueue_all((0..8).map(|_| Block {})).await {
                answer.unwrap();
            }
        });
        let function = Function::new("blocks").job(block).with_state(gate.clone());
        let engine = Engine::builder(&embedded).function(function);
        let (ask, asked) = oneshot::channel();
        let waits = move || {
            // Both threads are blocked now; what comes behind them does not begin.
            for _ in 0..2 {
                entering.recv().unwrap();
            }
            ask.send(()).unwrap();
        };
        let times = (Duration::from_millis(20), Duration::from_millis(200));
        run_until(threads, Signals::of(asked), times, &embedded, engine, waits).unwrap();
        *gate.open.0.lock().unwrap() = true;
        gate.open.1.notify_all();
    }
}
