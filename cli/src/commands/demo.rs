//! `lamp demo`: runs jobs of the app on this machine alone, and shows their progress.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use lamplighter::Record;
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use tokio::time::{Instant, sleep};

use super::runtime;
use crate::{
    catalog::Catalog,
    demo::{Demo as Show, DemoEnv, Examples, ExtraJob, Setup, Watch, Watched, failed, summary},
    error::Error,
    output::{self, FAINT, NAME, STRONG},
    place::Target,
    serving::{Served, Serving},
    signals, site,
};

/// Watch real jobs run. Needs only this machine, and ends by itself.
///
/// The exit code is 0 only if all checks pass; the last lines list them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp demo
  lamp demo --dashboard
  lamp demo --job lamp.ping='{\"failures\": 1}'")]
pub(crate) struct Demo {
    /// The folder for jobs and their results; it is created if missing, and must be empty [default: a new one in
    /// demo-output/]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Run this job too; may be given several times. The arguments are an empty object, or follow after =.
    #[arg(long = "job", value_name = "NAME[=JSON]")]
    jobs: Vec<String>,
    /// Show the dashboard too, and keep it and the engine running after the end, until Ctrl-C.
    #[arg(long)]
    dashboard: bool,
}

/// The time limit of a demo, which usually takes some seconds; a busy machine gets more.
const PATIENCE: Duration = Duration::from_secs(90);
/// The time that running jobs have at its end.
const DRAIN: Duration = Duration::from_secs(5);
/// The time between two updates of the view.
const FRAME: Duration = Duration::from_millis(50);

impl Demo {
    pub(super) fn run(self, catalog: &Catalog, own: Option<Box<dyn Show>>) -> Result<(), Error> {
        let runtime = runtime()?;
        let outcome = runtime.block_on(self.play(catalog, own));
        // Handlers that block their threads are not awaited.
        runtime.shutdown_background();
        outcome
    }

    async fn play(self, catalog: &Catalog, own: Option<Box<dyn Show>>) -> Result<(), Error> {
        let extra = self.jobs.iter().map(|typed| ExtraJob::read(catalog, typed)).collect::<Result<Vec<_>, _>>()?;
        let mut show: Box<dyn Show> = match own {
            Some(own) => own,
            None => Box::new(Examples::of(catalog, !extra.is_empty())?),
        };
        let folder = DemoEnv::folder_for(self.output)?;
        let embedded =
            SqliteBackend::open(DemoEnv::database_in(&folder), Settings::default()).map_err(Error::failed)?;
        let env = DemoEnv::new(folder, embedded.client());
        let setup = show.set_up(&env).await.map_err(failed)?;
        introduce(&env, &setup)?;
        let mut engine = Engine::builder(&embedded).schedules(setup.schedules);
        for function in catalog.functions(&setup.variables) {
            engine = engine.function(function);
        }
        let running = engine.start().await.map_err(Error::failed)?;
        let mut watch = Watch::new();
        let mut jobs = show.enqueue(&env).await.map_err(failed)?;
        for job in extra {
            jobs.push(job.enqueue(&env).await?);
        }
        let all = tokio::select! {
            all = follow(&mut *show, &env, jobs, &mut watch) => all,
            error = running.failed() => Err(error.into()),
        };
        watch.end();
        if !self.dashboard || all.is_err() {
            running.drain(DRAIN).await;
            let records = all?;
            // Afterwards the one file holds everything.
            embedded.close().await?;
            return tell(&*show, &env, &records);
        }
        let checked = tell(&*show, &env, &all?);
        let shown = dashboard(catalog, &embedded, &env).await;
        running.drain(DRAIN).await;
        embedded.close().await?;
        shown.and(checked)
    }
}

/// Shows the dashboard until the process is asked to end. Its address is the last line.
async fn dashboard(catalog: &Catalog, embedded: &SqliteBackend, env: &DemoEnv) -> Result<(), Error> {
    let site = site::of(catalog, &Target::of_file(embedded.clone(), &env.database()))?;
    let serving = Serving::open(site, site::viewer(false), Served::here(0)).await?;
    let mut signals = signals::listen("ended at once")?;
    let url = serving.url();
    output::print(|out| {
        writeln!(out, "\n  {FAINT}until Ctrl-C{FAINT:#}\n  {FAINT}dashboard {FAINT:#} {NAME}{url}{NAME:#}")
    })?;
    serving.run(signals.asked()).await.map(drop)
}

fn tell(show: &dyn Show, env: &DemoEnv, records: &[Record]) -> Result<(), Error> {
    summary::table(show, records)?;
    summary::tell(show, env, records)
}

fn introduce(env: &DemoEnv, setup: &Setup) -> Result<(), Error> {
    output::print(|out| {
        writeln!(out, "\n{STRONG}Lamplighter demo{STRONG:#}  {}, on this machine alone", setup.about)?;
        let mut line = |name: &str, what: &str, note: &str| {
            writeln!(out, "  {FAINT}{name:<9}{FAINT:#} {NAME}{what}{NAME:#}  {FAINT}{note}{FAINT:#}")
        };
        line("jobs", &env.database().display().to_string(), "one SQLite file that plays queues and scheduler")?;
        for (name, what, note) in &setup.notes {
            line(name, what, note)?;
        }
        writeln!(out)
    })
}

/// Shows the jobs until all have ended, and returns their final records.
async fn follow(
    show: &mut dyn Show,
    env: &DemoEnv,
    mut jobs: Vec<Watched>,
    watch: &mut Watch,
) -> Result<Vec<Record>, Error> {
    let until = Instant::now() + PATIENCE;
    for job in &jobs {
        watch.enter(job);
    }
    loop {
        let mut records = Vec::with_capacity(jobs.len());
        for job in show.started(env).await.map_err(failed)? {
            if watch.enter(&job) {
                jobs.push(job);
            }
        }
        for job in &jobs {
            let lost =
                || Error::failed(format_args!("job {} of the demo has no record any more; run the demo again", job.id));
            records.push(env.client().get(&job.id).await?.ok_or_else(lost)?);
        }
        for record in &records {
            watch.show(record)?;
        }
        let ended = records.iter().all(|record| record.state.is_final());
        // Jobs that have not ended by then are shown as they are, and the checks report them.
        if (ended && show.is_complete(&records)) || Instant::now() > until {
            return Ok(records);
        }
        sleep(FRAME).await;
    }
}
