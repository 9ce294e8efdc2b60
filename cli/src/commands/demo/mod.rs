//! `lamp demo`: the whole road, on real input, on this machine alone.
//!
//! A receiver that is in trouble at first ([`receiver`]), real pictures ([`cast`]), a schedule every few seconds, the
//! engine with all functions ([`stage`]), a live view ([`watch`]), and at the end a look at every promise
//! ([`verdict`]). Whoever watches may bring jobs of their own ([`guest`]).

mod cast;
mod guest;
mod receiver;
mod stage;
mod verdict;
mod watch;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use lamplighter::{JobState, Record};
use tokio::time::{Instant, sleep};

use self::{cast::Cast, guest::Guest, stage::Stage, watch::Watch};
use super::runtime;
use crate::{
    error::Error,
    output::{self, FAINT, NAME, STRONG},
};

/// Watch real jobs run on real input. Needs nothing but this machine, and ends by itself.
///
/// Webhooks go to a receiver that refuses the first tries, pictures become thumbnails, and a schedule starts a report
/// every three seconds. The exit code is 0 only if everything went as it should: the last lines say what was checked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp demo
  lamp demo --job lamp.ping='{\"failures\": 1}'")]
pub(crate) struct Demo {
    /// The folder for jobs, pictures and reports; made if it is not there, and it must be empty.
    /// [default: a new one in demo-output/]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Run this job too, as often as this is given; the arguments are an empty object, or follow behind =.
    #[arg(long = "job", value_name = "NAME[=JSON]")]
    jobs: Vec<String>,
}

/// How long everything may take. It takes about seven seconds; a busy machine gets more.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often the view is brought up to date.
const FRAME: Duration = Duration::from_millis(50);
/// How many scheduled reports the audience sees.
const REPORTS: usize = 2;

impl Demo {
    pub(super) fn run(self) -> Result<(), Error> {
        let runtime = runtime()?;
        let outcome = runtime.block_on(self.play());
        // Handlers that block their threads are not waited for.
        runtime.shutdown_background();
        outcome
    }

    async fn play(self) -> Result<(), Error> {
        let guests = self.jobs.iter().map(|typed| Guest::read(typed)).collect::<Result<Vec<_>, _>>()?;
        let stage = Stage::set(self.output).await?;
        introduce(&stage)?;
        let running = stage.start().await?;
        let mut watch = Watch::new();
        let cast = Cast::enter(&stage, guests, &mut watch).await?;
        let all = tokio::select! {
            all = follow(&stage, &cast, &mut watch) => all,
            error = running.failed() => Err(error.into()),
        };
        watch.end();
        running.stop(Duration::from_secs(5)).await;
        let records = all?;
        stage.close().await?;
        verdict::table(&records)?;
        let checks = verdict::checks(&stage, &cast, &records);
        verdict::tell(&stage, &checks)
    }
}

fn introduce(stage: &Stage) -> Result<(), Error> {
    output::print(|out| {
        writeln!(out, "\n{STRONG}Lamplighter demo{STRONG:#}  real jobs on real input, on this machine alone")?;
        let mut line = |name: &str, what: &str, note: &str| {
            writeln!(out, "  {FAINT}{name:<9}{FAINT:#} {NAME}{what}{NAME:#}  {FAINT}{note}{FAINT:#}")
        };
        line("jobs", &stage.database().display().to_string(), "one SQLite file that plays queues and scheduler")?;
        line("receiver", &stage.receiver().url("/"), "refuses the first tries, believes no wrong signature")?;
        line("pictures", &stage.objects_folder().display().to_string(), "the object store, here a folder")?;
        writeln!(out)
    })
}

/// Shows everything until all has ended, and gives the records as they are then.
async fn follow(stage: &Stage, cast: &Cast, watch: &mut Watch) -> Result<Vec<Record>, Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mut records = cast.records(stage).await?;
        let reports = cast::reports(stage).await?;
        for record in &reports {
            watch.enter(&record.id, &cast::report_label(record));
        }
        let reported = reports.iter().filter(|record| record.state == JobState::Succeeded).count();
        records.extend(reports);
        for record in &records {
            watch.show(record)?;
        }
        let ended = records.iter().all(|record| record.state.is_final());
        // What has not ended by then is shown as it is, and the checks say so.
        if (ended && reported >= REPORTS) || Instant::now() > until {
            return Ok(records);
        }
        sleep(FRAME).await;
    }
}
