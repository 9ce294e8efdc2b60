//! `lamp schedule`.

mod acting;
mod backfill;
mod history;

use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use lamplighter::{
    ScheduledJob,
    backend::{ScheduleOrigin, ScheduleStatus, SchedulingError},
    schedule,
};
use serde::Serialize;

use super::{block_on, enqueue::check_destination};
use crate::{
    arguments,
    catalog::Catalog,
    error::Error,
    foreign::safe,
    output::{self, FAINT, GOOD, NAME},
    place::Place,
    when,
};

/// Add, remove, pause, resume, trigger or backfill a schedule, or show its runs; `lamp schedules` lists them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp schedule add reminders --cron '0 6 * * 1-5' invoices.remind
  lamp schedule pause reminders
  lamp schedule trigger reminders --stack shop")]
pub(crate) struct Schedule {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Add(Add),
    /// Remove a schedule that was added at run time. Jobs that it has started stay.
    #[command(after_help = "Examples:
  lamp schedule remove reminders")]
    Remove(acting::Act),
    /// Pause a schedule, deployed or not. Ticks during the pause are skipped, and not made up for.
    #[command(after_help = "Examples:
  lamp schedule pause reminders --reason 'nobody is at work between the years'")]
    Pause(acting::Act),
    /// Resume a paused schedule.
    #[command(after_help = "Examples:
  lamp schedule resume reminders")]
    Resume(acting::Act),
    /// Start a schedule's job now, in addition to its own times.
    #[command(after_help = "Examples:
  lamp schedule trigger reminders")]
    Trigger(acting::Act),
    Runs(history::Runs),
    Backfill(backfill::Backfill),
}

/// Add a schedule, or replace the one of that name which was added at run time.
///
/// It survives deployments, until it is removed or all of its times have passed. A paused one stays paused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp schedule add reminders --cron '0 6 * * 1-5' --zone Europe/Berlin invoices.remind
  lamp schedule add pulse --every 5m lamp.ping '{\"sleep_ms\": 500}'
  lamp schedule add new-year --at 2027-01-01T00:00:00+01:00 invoices.send @order.json --stack shop")]
struct Add {
    /// Its name: 1 to 64 letters, digits and _.-
    name: String,
    #[command(flatten)]
    times: Times,
    /// The time zone of a cron expression, such as Europe/Berlin; UTC by default.
    #[arg(long, value_name = "ZONE", conflicts_with_all = ["every", "at"])]
    zone: Option<String>,
    /// Its purpose, for people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The job that it starts; `lamp definitions` lists them.
    job: String,
    /// The job's arguments: a JSON object, @FILE, or - for standard input.
    #[arg(value_name = "JSON", default_value = "{}")]
    args: String,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON: schedule, job, queue and next.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Times {
    /// At the times of this cron expression: five fields as in Unix, or six as in AWS.
    #[arg(long, value_name = "EXPRESSION")]
    cron: Option<String>,
    /// At this interval: 90s, 5m, 12h; on AWS, whole minutes.
    #[arg(long, value_name = "TIME", value_parser = when::delay)]
    every: Option<Duration>,
    /// Once, at this moment, written like 2026-12-24T18:00:00+01:00.
    #[arg(long, value_name = "MOMENT", value_parser = when::moment)]
    at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Added<'a> {
    schedule: &'a str,
    job: &'a str,
    queue: &'a str,
    next: &'a [Timestamp],
}

impl Schedule {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        match self.verb {
            Verb::Add(add) => add.run(catalog),
            Verb::Remove(act) => act.remove(catalog),
            Verb::Pause(act) => act.pause(catalog, true),
            Verb::Resume(act) => act.pause(catalog, false),
            Verb::Trigger(act) => act.trigger(catalog),
            Verb::Runs(runs) => runs.run(),
            Verb::Backfill(backfill) => backfill.run(catalog),
        }
    }
}

impl Add {
    fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let definition = catalog.definition(&self.job)?;
        let schedule = self.schedule()?;
        // A file in which no engine has run yet does not contain the code's schedules.
        if catalog.schedules().iter().any(|deployed| deployed.schedule.name == schedule.name) {
            return Err(SchedulingError::Deployed(schedule.name).into());
        }
        let args = arguments::take(&definition, &self.args)?;
        let (job, queue) = (definition.name.into(), definition.queue.name().into());
        let scheduled = ScheduledJob { schedule, job, queue, tracking: definition.options.tracking, args };
        block_on(async {
            let target = self.place.open_or_make().await?;
            check_destination(&target, &definition).await?;
            Ok(target.client().schedule_raw(scheduled.clone()).await?)
        })?;
        let now = Timestamp::now();
        let ScheduleStatus { schedule, job, queue, next, .. } =
            ScheduleStatus::new(&scheduled, ScheduleOrigin::RunTime, false, now);
        let unanswered = |error: Error| error.after(format_args!("the schedule {} was made", schedule.name));
        if self.json {
            let (schedule, job, queue, next) = (&*schedule.name, &*job, &*queue, &*next);
            return output::json_lines([Added { schedule, job, queue, next }]).map_err(unanswered);
        }
        let next = next.first().map(|next| format!(", next {next} ({})", when::relative(*next, now)));
        let (next, name) = (next.unwrap_or_default(), safe(&schedule.name));
        output::print(|out| writeln!(out, "{GOOD}scheduled{GOOD:#} {NAME}{name}{NAME:#} {FAINT}{job}{next}{FAINT:#}"))
            .map_err(unanswered)
    }

    fn schedule(&self) -> Result<schedule::Schedule, Error> {
        let sound = |error| Error::from(SchedulingError::from(error));
        let schedule = match (&self.times.cron, self.times.every, self.times.at) {
            (Some(expression), ..) => schedule::Schedule::cron(&self.name, expression).map_err(sound)?,
            (None, Some(every), _) => schedule::Schedule::rate(&self.name, every).map_err(sound)?,
            (None, None, Some(moment)) => schedule::Schedule::at(&self.name, moment),
            (None, None, None) => return Err(Error::Usage("say when: --cron, --every or --at".into())),
        };
        let schedule = match &self.zone {
            Some(zone) => schedule.zone(zone),
            None => schedule,
        };
        let schedule = schedule.description(self.description.as_deref().unwrap_or_default());
        schedule.check().map_err(sound)?;
        // Before a file is created for nothing.
        match schedule.next_after(Timestamp::now()).map_err(sound)? {
            Some(_) => Ok(schedule),
            None => Err(SchedulingError::Over(schedule.name).into()),
        }
    }
}
