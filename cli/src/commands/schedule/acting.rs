//! `lamp schedule pause`, `resume`, `trigger` and `remove`.

use clap::Args;
use lamplighter::{
    JobId,
    backend::SchedulingError,
    operation::{self, Action},
};

use super::super::{
    block_on,
    pause::{done, switched},
};
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating},
    output::{self, GOOD, NAME},
    place::Place,
};

/// What is done to a schedule, as an operation where those are kept.
#[derive(Debug, Args)]
pub(super) struct Act {
    /// The schedule's name.
    name: String,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON.
    #[arg(long)]
    json: bool,
}

impl Act {
    fn target(&self) -> operation::Target {
        operation::Target::Schedule { schedule: self.name.clone() }
    }

    pub(super) fn pause(self, catalog: &Catalog, paused: bool) -> Result<(), Error> {
        let Self { name, json, .. } = &self;
        block_on(async {
            let target = self.place.open().await?;
            match (Operating::on(&target, catalog, &self.asking), paused) {
                (Some(operating), _) => {
                    let action = if paused { Action::PauseSchedule } else { Action::ResumeSchedule };
                    operating.once(action, self.target()).await.map(drop)
                }
                (None, true) => Ok(target.client().pause_schedule(name).await?),
                (None, false) => Ok(target.client().resume_schedule(name).await?),
            }
        })?;
        switched(("schedule", name), paused, *json)
            .map_err(|error| error.after(format_args!("the schedule {name} was {}", done(paused))))
    }

    pub(super) fn trigger(self, catalog: &Catalog) -> Result<(), Error> {
        let Self { name, json, .. } = &self;
        let id: JobId = block_on(async {
            let target = self.place.open().await?;
            let Some(operating) = Operating::on(&target, catalog, &self.asking) else {
                return Ok(target.client().trigger_schedule(name).await?);
            };
            let ended = operating.once(Action::TriggerSchedule, self.target()).await?;
            let started = ended.results.into_iter().next();
            started
                .ok_or_else(|| Error::failed(format_args!("operation {} names no job; `lamp ops` shows it", ended.id)))
        })?;
        let printed = match json {
            true => output::json_lines([serde_json::json!({ "schedule": name, "id": id })]),
            false => output::print(|out| writeln!(out, "{GOOD}started{GOOD:#} {NAME}{id}{NAME:#}")),
        };
        printed.map_err(|error| error.after(format_args!("job {id} of the schedule {name} was started")))
    }

    pub(super) fn remove(self, catalog: &Catalog) -> Result<(), Error> {
        let Self { name, json, .. } = &self;
        // It would be refused all the same, after an operation had begun.
        if catalog.schedules().iter().any(|deployed| deployed.schedule.name == *name) {
            return Err(SchedulingError::Deployed(name.clone()).into());
        }
        block_on(async {
            let target = self.place.open().await?;
            match Operating::on(&target, catalog, &self.asking) {
                Some(operating) => operating.once(Action::RemoveSchedule, self.target()).await.map(drop),
                None => Ok(target.client().unschedule(name).await?),
            }
        })?;
        let printed = match json {
            true => output::json_lines([serde_json::json!({ "schedule": name, "removed": true })]),
            false => output::print(|out| writeln!(out, "{GOOD}removed{GOOD:#} {NAME}{}{NAME:#}", safe(name))),
        };
        printed.map_err(|error| error.after(format_args!("the schedule {name} was removed")))
    }
}
