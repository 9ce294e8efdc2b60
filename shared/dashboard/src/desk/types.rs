//! Job types.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter::{
    Definition,
    meter::{RollupQuery, Run},
    query::Query,
};
use serde_json::Value;

use super::{Desk, in_time, named};
use crate::{
    problem::Problem,
    view::{Coverage, DefinitionView, List, Part, PercentilesView, TypeDetail, TypeView},
};

impl Desk {
    /// The job types of which there are definitions, or which have run in the last day, with how they did.
    ///
    /// # Errors
    /// Never for a backend that measures nothing: then there are no numbers.
    pub async fn types(&self) -> Result<List<TypeView>, Problem> {
        let defined = self.site().definitions.iter().filter(|definition| self.sees(definition.queue.name()));
        let mut all: BTreeMap<(String, String), TypeView> = defined
            .map(|definition| {
                ((definition.name.to_owned(), definition.queue.name().to_owned()), TypeView::of(definition))
            })
            .collect();
        if self.site().backend.rollups.is_some() {
            self.measure(&mut all).await?;
        }
        Ok(List { items: all.into_values().collect(), coverage: Coverage::Exact, as_of: self.now() })
    }

    async fn measure(&self, all: &mut BTreeMap<(String, String), TypeView>) -> Result<(), Problem> {
        let now = self.now();
        let day = RollupQuery::in_points(now.saturating_sub(super::stats::DAY).unwrap_or(now), now, 49);
        let whole = RollupQuery { step: day.length(), ..day };
        for rollup in in_time("the store of measurements", self.client().rollups(&whole)).await? {
            if rollup.job == Run::UNKNOWN || !self.sees(&rollup.queue) {
                continue;
            }
            let Some(point) = rollup.points.first() else { continue };
            let key = (rollup.job.clone(), rollup.queue.clone());
            let view = all.entry(key).or_insert_with(|| TypeView::unknown(&rollup.job, &rollup.queue));
            view.succeeded = Some(point.succeeded);
            view.retried = Some(point.retried);
            view.failed = Some(point.failed);
            view.duration = point.duration.map(PercentilesView::from);
            view.queue_latency = point.queue_latency.map(PercentilesView::from);
        }
        Ok(())
    }

    /// One job type.
    ///
    /// # Errors
    /// When there is neither a definition, nor a run in the last day, nor a job.
    pub async fn job_type(&self, name: &str) -> Result<TypeDetail, Problem> {
        let name = named(name);
        let definition = self.site().definition(name).filter(|definition| self.sees(definition.queue.name()));
        let (types, activity, statuses) =
            tokio::join!(self.types(), self.activity_of(Some(name), None), self.statuses());
        let mut summary = types?.items.into_iter().find(|view| view.job == name);
        if summary.is_none() {
            summary = definition.map(TypeView::of);
        }
        if summary.is_none() {
            summary = self.type_of_jobs(name).await;
        }
        let summary = summary.ok_or_else(|| Problem::not_found("job type", name))?;
        let schedules = statuses.unwrap_or_default().into_iter().filter(|status| status.job == name);
        Ok(TypeDetail {
            summary,
            definition: definition.map(DefinitionView::from),
            sensitive: definition.map(sensitive).unwrap_or_default(),
            activity: Part::from(activity),
            schedules: schedules.map(|status| status.schedule.name).collect(),
            as_of: self.now(),
        })
    }
}

impl Desk {
    /// A type of which there are only jobs, which have not run lately.
    async fn type_of_jobs(&self, name: &str) -> Option<TypeView> {
        // In a query, a star is not a star.
        let query = Query::new().job(name);
        let newest = if name.contains('*') { None } else { self.jobs(&query.to_string(), None, 1).await.ok() };
        newest?.items.first().filter(|job| job.job == name).map(|job| TypeView::unknown(name, &job.queue))
    }
}

/// The fields of a job's arguments that are sensitive.
fn sensitive(definition: &Definition) -> Vec<String> {
    let Some(redaction) = definition.redaction() else { return Vec::new() };
    let schema = definition.schema().to_value();
    let fields: BTreeSet<String> =
        schema.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().cloned()).collect();
    fields.into_iter().filter(|field| redaction.is_sensitive(field)).collect()
}

impl TypeView {
    fn of(definition: &Definition) -> Self {
        let schema = definition.schema().to_value();
        let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
        Self { is_defined: true, description, ..Self::unknown(definition.name, definition.queue.name()) }
    }

    fn unknown(job: &str, queue: &str) -> Self {
        Self {
            job: job.to_owned(),
            queue: queue.to_owned(),
            is_defined: false,
            description: None,
            succeeded: None,
            retried: None,
            failed: None,
            duration: None,
            queue_latency: None,
        }
    }
}
