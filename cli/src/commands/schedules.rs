//! `lamp schedules`.

use std::collections::BTreeMap;

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use lamplighter::{JobId, JobState, ScheduledJob, schedule::Schedule};
use serde::Serialize;

use super::block_on;
use crate::{catalog, database::Database, error::Error, output, when};

/// List the schedules, with their next runs and how the last one went.
#[derive(Debug, Args)]
pub(crate) struct Schedules {
    #[command(flatten)]
    database: Database,
    /// One schedule a line as JSON.
    #[arg(long)]
    json: bool,
}

/// How many runs ahead are shown.
const AHEAD: usize = 3;

/// A schedule as `--json` shows it.
#[derive(Serialize)]
struct View {
    schedule: String,
    when: String,
    zone: String,
    enabled: bool,
    /// Paused by hand.
    paused: bool,
    job: String,
    queue: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    next: Vec<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
}

/// The job that a schedule started last.
#[derive(Serialize)]
struct Last {
    id: JobId,
    /// Not there when the record has been let go of.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<JobState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
}

impl Schedules {
    pub(super) fn run(self) -> Result<(), Error> {
        let views = block_on(self.views())?;
        if self.json {
            return output::json_lines(views);
        }
        list(&views)
    }

    /// Schedules stand in the code; the file knows those with which an engine has run, and how they went.
    async fn views(&self) -> Result<Vec<View>, Error> {
        let now = Timestamp::now();
        let mut views = BTreeMap::new();
        for scheduled in catalog::schedules() {
            let ScheduledJob { schedule, job, queue, .. } = &scheduled;
            views.insert(schedule.name.clone(), View::of(schedule, job, queue, now)?);
        }
        // Where there is no file yet, none of them has run yet.
        if self.database.path().exists() {
            let embedded = self.database.existing()?;
            for status in embedded.schedules().await? {
                let mut view = View::of(&status.schedule, &status.job, &status.queue, now)?;
                view.paused = status.paused;
                if let Some(id) = status.last_run {
                    let record = embedded.client().get(&id).await?;
                    let (state, at) = record.map(|record| (record.state, record.created_at)).unzip();
                    view.last = Some(Last { id, state, at });
                }
                views.insert(view.schedule.clone(), view);
            }
        }
        Ok(views.into_values().collect())
    }
}

impl View {
    fn of(schedule: &Schedule, job: &str, queue: &str, now: Timestamp) -> Result<Self, Error> {
        let mut next = Vec::new();
        let mut after = now;
        while next.len() < AHEAD && schedule.enabled {
            let Some(tick) = schedule.next_after(after).map_err(Error::failed)? else { break };
            next.push(tick);
            after = tick;
        }
        Ok(Self {
            schedule: schedule.name.clone(),
            when: schedule.when.to_string(),
            zone: schedule.zone.clone(),
            enabled: schedule.enabled,
            paused: false,
            job: job.to_owned(),
            queue: queue.to_owned(),
            description: schedule.description.clone(),
            next,
            last: None,
        })
    }
}

fn list(views: &[View]) -> Result<(), Error> {
    if views.is_empty() {
        output::hint("no schedules");
        return Ok(());
    }
    let now = Timestamp::now();
    let mut table = output::table(&["SCHEDULE", "WHEN", "JOB", "NEXT", "LAST"]);
    for view in views {
        let mut next: Vec<_> =
            view.next.iter().map(|tick| format!("{} ({})", tick, when::relative(*tick, now))).collect();
        if view.paused {
            next = vec!["paused".into()];
        } else if !view.enabled {
            next = vec!["disabled".into()];
        }
        let last = match &view.last {
            Some(Last { state: Some(state), at: Some(at), .. }) => format!("{state} {}", when::relative(*at, now)),
            Some(Last { id, .. }) => id.to_string(),
            None => "never".into(),
        };
        table.add_row([
            Cell::new(&view.schedule),
            Cell::new(format!("{} {}", view.when, view.zone)),
            Cell::new(&view.job),
            Cell::new(next.join("\n")),
            Cell::new(last),
        ]);
    }
    output::print_table(&table)
}
