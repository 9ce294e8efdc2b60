//! Schedules.

use std::{collections::BTreeMap, sync::Arc};

use lamplighter::{
    Client, JobId, RawValue, Record, ScheduledJob,
    backend::{ScheduleOrigin, ScheduleStatus},
};

use super::{Desk, in_time, named};
use crate::{
    problem::Problem,
    view::{Coverage, List, Part, ScheduleDetail, ScheduleRunView, ScheduleView},
};

/// The schedules whose last run is read with them.
const LAST_RUNS: usize = 100;
/// The records of one request.
const AT_ONCE: usize = 100;

impl Desk {
    /// The schedules whose name, job or description has this text, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn schedules(&self, text: &str) -> Result<List<ScheduleView>, Problem> {
        self.schedules_from(text, "").await
    }

    /// The same, from a name on. The last runs of the first hundred are read with them.
    ///
    /// # Errors
    /// As for [`schedules`](Self::schedules).
    pub async fn schedules_from(&self, text: &str, first: &str) -> Result<List<ScheduleView>, Problem> {
        let text = text.trim().to_lowercase();
        let fits = |status: &ScheduleStatus| {
            let names = [&status.schedule.name, &status.job, &status.schedule.description];
            let has_text = text.is_empty() || names.into_iter().any(|name| name.to_lowercase().contains(&text));
            has_text && *status.schedule.name >= *first
        };
        let statuses: Vec<_> = self.statuses().await?.into_iter().filter(fits).collect();
        let ids: Vec<_> = statuses.iter().filter_map(|status| status.last_run.clone()).take(LAST_RUNS).collect();
        let records = self.records_of(&ids).await;
        let items = statuses.into_iter().map(|status| {
            let last = status.last_run.as_ref().and_then(|id| records.get(id));
            ScheduleView::of(status, last)
        });
        Ok(List { items: items.collect(), coverage: Coverage::Exact, as_of: self.now() })
    }

    /// The schedules that the viewer sees: those of the code, and those that the backend knows.
    pub(super) async fn statuses(&self) -> Result<Vec<ScheduleStatus>, Problem> {
        let now = self.now();
        let of_code = |scheduled: &ScheduledJob| {
            let status = ScheduleStatus::new(scheduled, ScheduleOrigin::Deployed, false, now);
            (status.schedule.name.clone(), status)
        };
        let mut all: BTreeMap<String, ScheduleStatus> = self.site().schedules.iter().map(of_code).collect();
        if self.site().backend.schedules.is_some() {
            let known = self.shared.schedules().await?;
            all.extend(known.iter().map(|status| (status.schedule.name.clone(), status.clone())));
        }
        Ok(all.into_values().filter(|status| self.sees(&status.queue)).collect())
    }

    /// One schedule with its runs.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleDetail, Problem> {
        let name = named(name);
        let statuses = self.statuses().await?;
        let status = statuses.into_iter().find(|status| status.schedule.name == name);
        let status = status.ok_or_else(|| Problem::not_found("schedule", name))?;
        let last: Vec<_> = status.last_run.iter().cloned().collect();
        let (records, runs) = tokio::join!(self.records_of(&last), self.runs(name));
        let last = status.last_run.as_ref().and_then(|id| records.get(id));
        let in_code = self.site().schedules.iter().find(|scheduled| scheduled.schedule.name == name);
        Ok(ScheduleDetail {
            args: in_code.map(|scheduled| self.args_of(scheduled)),
            schedule: ScheduleView::of(status.clone(), last),
            runs: Part::from(runs),
            as_of: self.now(),
        })
    }

    fn args_of(&self, scheduled: &ScheduledJob) -> Arc<RawValue> {
        let redaction = self.site().definition(&scheduled.job).and_then(lamplighter::Definition::redaction);
        redaction.map_or_else(|| scheduled.args.clone(), |redaction| redaction.args(&scheduled.args)).into()
    }

    async fn runs(&self, name: &str) -> Result<Vec<ScheduleRunView>, Problem> {
        let runs = self.client().schedule_runs(name, Client::MAX_SCHEDULE_RUNS);
        let runs = in_time("the store of schedules", runs).await?;
        Ok(runs.into_iter().map(ScheduleRunView::from).collect())
    }

    /// Records of these jobs, as far as there are any.
    pub(super) async fn records_of(&self, ids: &[JobId]) -> BTreeMap<JobId, Record> {
        let Ok(store) = self.client().store() else { return BTreeMap::new() };
        let reading = ids.chunks(AT_ONCE).map(|ids| in_time("the store of records", store.get_each(ids)));
        let records = futures_util::future::join_all(reading).await;
        records.into_iter().flatten().flatten().flatten().map(|record| (record.id.clone(), record)).collect()
    }
}
