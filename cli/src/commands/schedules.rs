//! `lamp schedules`.

use std::collections::BTreeMap;

use clap::Args;
use comfy_table::Cell;
use jiff::Timestamp;
use lamplighter::backend::{ScheduleOrigin, ScheduleStatus};
use lamplighter_dashboard::view::{LastRun, ScheduleView};

use super::block_on;
use crate::{catalog::Catalog, error::Error, output, place::Place, when};

/// List the schedules, with their next runs and the result of the last one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp schedules
  lamp schedules --stack shop --json")]
pub(crate) struct Schedules {
    #[command(flatten)]
    place: Place,
    /// Print one schedule per line as JSON.
    #[arg(long)]
    json: bool,
}

impl Schedules {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let views = block_on(self.views(catalog))?;
        if self.json {
            return output::json_lines(views);
        }
        list(&views)
    }

    /// Combines the schedules in the code with those in the file or the stack. The file contains those of engines that
    /// have run on it, the stack the deployed ones; both contain those added at run time, and the last runs.
    async fn views(&self, catalog: &Catalog) -> Result<Vec<ScheduleView>, Error> {
        let now = Timestamp::now();
        let mut views = BTreeMap::new();
        for scheduled in catalog.schedules() {
            let status = ScheduleStatus::new(scheduled, ScheduleOrigin::Deployed, false, now);
            views.insert(status.schedule.name.clone(), ScheduleView::of(status, None));
        }
        // Without a file, none of them has run yet.
        if self.place.is_to_be_made()? {
            return Ok(views.into_values().collect());
        }
        let target = self.place.look().await?;
        if target.keeps_schedules() {
            let client = target.client();
            let tracked = client.store().is_ok();
            for status in client.schedules().await? {
                let record = match &status.last_run {
                    Some(id) if tracked => client.get(id).await?,
                    _ => None,
                };
                views.insert(status.schedule.name.clone(), ScheduleView::of(status, record.as_ref()));
            }
        }
        Ok(views.into_values().collect())
    }
}

fn list(views: &[ScheduleView]) -> Result<(), Error> {
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
            Some(LastRun { state: Some(state), at: Some(at), .. }) => format!("{state} {}", when::relative(*at, now)),
            Some(LastRun { id, .. }) => id.to_string(),
            None => "never".into(),
        };
        table.add_row([
            output::cell(&view.schedule),
            output::cell(format!("{} {}", view.when, view.zone)),
            output::cell(&view.job),
            Cell::new(next.join("\n")),
            output::cell(last),
        ]);
    }
    output::print_table(&table)
}
