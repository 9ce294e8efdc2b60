//! What a viewer may do, and to what: each operation goes through here.

use jiff::Timestamp;
use lamplighter::{
    JobId,
    operation::{Action, Operation, Target},
    query::Query,
};
use serde_json::Value;

use super::{Desk, OperationRequest, in_time, jobs::invalid_query};
use crate::{problem::Problem, viewer::ActionKind};

/// The jobs of an operation that are looked at first, to know whether the viewer sees it: mostly one of others is among them.
const FIRST: usize = 20;

/// What a viewer asks for and may have.
pub(super) struct Asked {
    pub(super) action: Action,
    pub(super) target: Target,
}

impl Desk {
    /// Reads a request and checks it against the viewer's rights. The target is as they sent it: what they see of it is
    /// [another question](Self::narrowed_target).
    pub(super) fn asked(&self, request: &OperationRequest, is_final: bool) -> Result<Asked, Problem> {
        let action: Action = serde_json::from_str(request.action.get())
            .map_err(|error| Problem::parameter("action", format!("The action is not understood: {error}.")))?;
        let kind = ActionKind::named(action.as_str());
        if !kind.is_some_and(|kind| self.may(kind)) {
            return Err(self.denied(action.as_str()));
        }
        let target = self.target_of(request, is_final)?;
        if !action.fits(&target) {
            return Err(Problem::unfit(format!("{action} cannot be done to {target}.")));
        }
        Ok(Asked { action, target })
    }

    fn target_of(&self, request: &OperationRequest, is_final: bool) -> Result<Target, Problem> {
        let unclear =
            |error: serde_json::Error| Problem::parameter("target", format!("The target is not understood: {error}."));
        let mut target: Value = serde_json::from_str(request.target.get()).map_err(unclear)?;
        let is_open = target["kind"] == "query" && target.get("end").is_none_or(Value::is_null);
        if is_open && is_final {
            let detail =
                "The target has no end: send the one of the preview, so that nothing is changed that it did not show.";
            return Err(Problem::parameter("target", detail));
        }
        if is_open && let Some(fields) = target.as_object_mut() {
            // The preview says which moment that is.
            fields.insert("end".into(), Timestamp::MAX.to_string().into());
        }
        serde_json::from_value(target).map_err(unclear)
    }

    /// The target, as far as the viewer sees it. What they do not see does not exist.
    pub(super) async fn narrowed_target(&self, action: &Action, target: Target) -> Result<Target, Problem> {
        match &target {
            Target::Query { query, end } => {
                let query: Query = query.parse().map_err(|error| invalid_query(&error))?;
                return self.narrowed_query(query, *end);
            }
            // A batch may have jobs of any queue: it is taken as a query for those that are seen.
            Target::Batch { id } if !self.sees_all() => {
                return self.narrowed_query(Query::new().batch(id), self.now());
            }
            Target::Job { id } => drop(self.record(id).await?),
            Target::Jobs { ids } => {
                let most = Target::MOST_JOBS;
                if ids.len() > most {
                    return Err(Problem::parameter(
                        "target",
                        format!("At most {most} jobs can be named; use a query."),
                    ));
                }
                if !self.sees_all() {
                    let records = self.records_of(ids).await;
                    let is_hidden = |id: &&JobId| records.get(*id).is_none_or(|record| !self.sees(&record.queue));
                    if let Some(hidden) = ids.iter().find(is_hidden) {
                        return Err(Problem::not_found("job", hidden.as_str()));
                    }
                }
            }
            Target::Queue { queue } | Target::DeadLetters { queue, .. } => self.known_queue(queue).await?,
            Target::Schedule { schedule } => {
                let statuses = self.statuses().await?;
                let is_seen = statuses.iter().any(|status| status.schedule.name == *schedule);
                is_seen.then_some(()).ok_or_else(|| Problem::not_found("schedule", schedule))?;
            }
            Target::ErrorGroup { fingerprint } => drop(self.group(&fingerprint.to_string()).await?),
            Target::New => {
                if let Action::Enqueue { job, .. } = action {
                    let definition = self.site().definition(job).filter(|known| self.sees(known.queue.name()));
                    definition.map(drop).ok_or_else(|| Problem::not_found("job type", job))?;
                }
            }
            _ => {}
        }
        Ok(target)
    }

    /// Fails if a new job's id belongs to a job that the viewer does not see: whose it is would be told else.
    pub(super) async fn check_id(&self, action: &Action) -> Result<(), Problem> {
        let Action::Enqueue { id: Some(id), .. } = action else { return Ok(()) };
        if self.sees_all() {
            return Ok(());
        }
        match in_time("the store of records", self.client().get(id)).await? {
            Some(record) if !self.sees_record(&record).await? => Err(Self::id_taken()),
            _ => Ok(()),
        }
    }

    pub(super) fn id_taken() -> Problem {
        Problem::unfit("The job was not enqueued: its id is taken. Give it another one.")
    }

    fn narrowed_query(&self, query: Query, end: Timestamp) -> Result<Target, Problem> {
        match self.narrowed(query) {
            Some(query) => Ok(Target::Query { query: query.to_string(), end }),
            None => Err(Problem::unfit("No job that you see can match this query.")),
        }
    }

    /// Whether the viewer sees an operation: it is their own, or about nothing but what they see.
    pub(super) async fn sees_operation(&self, operation: &Operation) -> bool {
        self.sees_all() || operation.by == self.viewer.name || self.touches_only_seen(&operation.target).await
    }

    /// Whether an operation that the viewer sees is about nothing else. What their own one has deleted by now was seen when it began.
    pub(super) async fn may_stop(&self, operation: &Operation) -> bool {
        match &operation.target {
            Target::Jobs { ids } if operation.by == self.viewer.name => {
                self.records_of(ids).await.values().all(|record| self.sees(&record.queue))
            }
            target => self.touches_only_seen(target).await,
        }
    }

    /// Whether there are jobs of these ids, all on queues that the viewer sees. What is not there may have been on any.
    async fn sees_each(&self, ids: &[JobId]) -> bool {
        let records = self.records_of(ids).await;
        !ids.is_empty() && ids.iter().all(|id| records.get(id).is_some_and(|record| self.sees(&record.queue)))
    }

    /// Whether a target is nothing but what the viewer sees.
    async fn touches_only_seen(&self, target: &Target) -> bool {
        if self.sees_all() {
            return true;
        }
        match target {
            Target::Job { id } | Target::Batch { id } => self.record(id).await.is_ok(),
            Target::Jobs { ids } => {
                let (first, rest) = ids.split_at(FIRST.min(ids.len()));
                self.sees_each(first).await && (rest.is_empty() || self.sees_each(rest).await)
            }
            Target::Query { query, .. } => query.parse::<Query>().is_ok_and(|query| {
                !query.queues().is_empty()
                    && query.queues().iter().all(|queue| !queue.contains('*') && self.sees(queue))
            }),
            Target::Queue { queue } | Target::DeadLetters { queue, .. } => self.sees(queue),
            Target::Schedule { schedule } => {
                let statuses = self.statuses().await.unwrap_or_default();
                statuses.iter().any(|status| status.schedule.name == *schedule)
            }
            Target::ErrorGroup { fingerprint } => self.group(&fingerprint.to_string()).await.is_ok(),
            _ => false,
        }
    }
}
