//! What operators do.

use std::num::NonZeroU32;

use lamplighter::{
    EnqueueError, RawValue,
    operation::{Action, NewOperation, Operation, OperationError, OperationQuery, OperationState, PreviewBound},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Desk, in_time, items, job_id, rights::Asked, wording};
use crate::{
    api::bodies::{ActionBody, TargetBody},
    problem::Problem,
    view::{Coverage, MOST_LISTED, OperationView, Page, PreviewCount, PreviewView, ProgressCount},
    viewer::ActionKind,
};

/// A request for an operation, or for its preview.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// What is done: `{"kind": "retry"}`.
    #[schema(value_type = ActionBody)]
    pub action: Box<RawValue>,
    /// To what: `{"kind": "query", "query": "state:failed job:webhook.*"}`.
    #[schema(value_type = TargetBody)]
    pub target: Box<RawValue>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500)]
    pub reason: Option<String>,
    /// How many jobs the preview showed, if that were all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The most steps a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub per_second: Option<u32>,
}

/// The longest idempotency key.
const MAX_KEY: usize = 200;
/// Pages that are read for one page of what a viewer sees.
const PAGES: usize = 5;
const STORE: &str = "the store of operations";

impl Desk {
    /// Operations, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn operations(&self, cursor: Option<&str>, limit: usize) -> Result<Page<OperationView>, Problem> {
        let limit = items(limit);
        let (mut seen, mut next) = (Vec::new(), cursor.map(str::to_owned));
        for _ in 0..PAGES {
            let mut query = OperationQuery::new(limit - seen.len());
            query.cursor = next;
            let page = in_time(STORE, self.client().operations(&query)).await?;
            for operation in page.operations {
                if self.sees_operation(&operation).await {
                    seen.push(self.listed(operation));
                }
            }
            next = page.next;
            if next.is_none() || seen.len() >= limit {
                break;
            }
        }
        Ok(Page { items: seen, next, coverage: Coverage::Exact, as_of: self.now() })
    }

    /// One operation.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn operation(&self, id: &str) -> Result<OperationView, Problem> {
        self.seen_operation(id).await.map(|operation| self.view_of(&operation))
    }

    async fn seen_operation(&self, id: &str) -> Result<Operation, Problem> {
        let unknown = || Problem::not_found("operation", id);
        let parsed = job_id("operation", id)?;
        let operation = in_time(STORE, self.client().operation(&parsed)).await?.ok_or_else(unknown)?;
        if self.sees_operation(&operation).await { Ok(operation) } else { Err(unknown()) }
    }

    /// What an operation would do. It looks at 2,000 records at most, and says so where there may be more.
    ///
    /// # Errors
    /// When it makes no sense, or the viewer may not do it.
    pub async fn preview(&self, request: &OperationRequest) -> Result<PreviewView, Problem> {
        self.preview_within(request, PreviewBound::GLANCE).await
    }

    /// As [`preview`](Self::preview), of all that match: among a million jobs, counting takes many seconds. It ends when the
    /// future is dropped, and after a minute with what was counted until then.
    ///
    /// # Errors
    /// As for [`preview`](Self::preview), and when others count at this moment.
    pub async fn preview_all(&self, request: &OperationRequest) -> Result<PreviewView, Problem> {
        let Ok(_place) = tokio::time::timeout(super::DEADLINE, self.shared.counting()).await else {
            return Err(Problem::unavailable("Others count at this moment; try again in a minute."));
        };
        self.preview_within(request, PreviewBound::all_within(self.shared.patience())).await
    }

    async fn preview_within(&self, request: &OperationRequest, bound: PreviewBound) -> Result<PreviewView, Problem> {
        let asked = self.asked(request, false)?;
        let mut target = self.narrowed_target(&asked.action, asked.target).await?;
        self.check_arguments(&asked.action, &target).await?;
        self.check_id(&asked.action).await?;
        // Counting has a patience of its own, and says what it has counted until then.
        let counting = self.shared.runner().preview_within(&asked.action, &target, bound);
        let preview = tokio::time::timeout(bound.time + super::DEADLINE, counting)
            .await
            .map_err(|_| Problem::unavailable("The store takes too long to answer; try again."))??;
        wording::freeze(&mut target, preview.end);
        Ok(PreviewView {
            title: wording::preview(&asked.action, &target, &preview),
            jobs: preview.jobs,
            is_complete: preview.is_complete,
            looked_at: preview.looked_at,
            by_job: preview.by_job.into_iter().map(PreviewCount::from).collect(),
            action: request.action.clone().into(),
            target: wording::raw(&target),
            end: preview.end,
            command: self.same_command(&asked.action, &target),
        })
    }

    /// Begins an operation. The same request under the same key is one operation.
    ///
    /// # Errors
    /// As for [`preview`](Self::preview), and when the key was used for something else.
    pub async fn act(&self, request: &OperationRequest, key: Option<&str>) -> Result<OperationView, Problem> {
        let Asked { action, target } = self.asked(request, true)?;
        let mut new = NewOperation::new(action, target, &self.viewer.name);
        new.reason.clone_from(&request.reason);
        new.expected = request.expected;
        new.per_second = match request.per_second {
            None => None,
            Some(rate) => Some(NonZeroU32::new(rate).ok_or_else(|| {
                Problem::parameter("per_second", "At no steps a second, it would not end. Leave it out for no limit.")
            })?),
        };
        new.idempotency_key = key.map(key_of).transpose()?;
        // What a repeated request is about may be gone by now, by itself.
        let operation = match in_time(STORE, self.shared.runner().begun(&new)).await? {
            Some(begun) => begun,
            None => {
                let target = self.narrowed_target(&new.action, new.target.clone()).await?;
                self.check_id(&new.action).await?;
                in_time(STORE, self.start(new.narrowed_to(target)?)).await?
            }
        };
        self.shared.forget().await;
        let operation = self.shared.carry_out(operation).await;
        Ok(self.view_of(&operation))
    }

    async fn start(&self, new: NewOperation) -> Result<Operation, Problem> {
        match self.shared.runner().start(new).await {
            // Of a job that came since the id was looked up.
            Err(OperationError::Enqueue(EnqueueError::IdTaken { owner, .. })) if !self.sees(&owner.queue) => {
                Err(Self::id_taken())
            }
            begun => begun.map_err(Problem::from),
        }
    }

    /// Stops an operation. What it has done stays.
    ///
    /// # Errors
    /// When there is none, or the viewer may not do what it does.
    pub async fn stop(&self, id: &str) -> Result<OperationView, Problem> {
        let operation = self.seen_operation(id).await?;
        if !self.may_stop(&operation).await {
            return Err(Problem::forbidden("The operation is about queues that you do not see."));
        }
        let may = ActionKind::named(operation.action.as_str()).is_some_and(|kind| self.may(kind));
        if !may {
            return Err(self.denied(operation.action.as_str()));
        }
        let stopped = in_time(STORE, self.client().stop_operation(&operation.id, &self.viewer.name)).await?;
        stopped.map(|operation| self.view_of(&operation)).ok_or_else(|| Problem::not_found("operation", id))
    }

    pub(super) fn denied(&self, action: &str) -> Problem {
        Problem::forbidden(format!("You may not do this here: {action}."))
    }

    /// As a list shows it: arguments and commands can be long.
    fn listed(&self, mut operation: Operation) -> OperationView {
        if let Action::EditAndRun { args } | Action::Enqueue { args, .. } = &mut operation.action
            && let Some(short) = args.shortened(MOST_LISTED)
        {
            (*args, operation.is_cut) = (short, true);
        }
        let mut view = self.view_of(&operation);
        let is_long = |command: &String| command.len() > MOST_LISTED;
        if view.command.as_ref().is_some_and(is_long) {
            (view.command, view.is_shortened) = (None, true);
        }
        view
    }

    /// The error of an operation. Whose a taken id is, is nothing for those who do not see all queues.
    fn shown_error(&self, action: &Action, error: &str) -> String {
        match action {
            Action::Enqueue { id: Some(_), .. } if !self.sees_all() => {
                "the job was not enqueued; its id may be taken by one that you do not see".to_owned()
            }
            _ => error.to_owned(),
        }
    }

    pub(super) fn view_of(&self, operation: &Operation) -> OperationView {
        let Operation { id, action, target, by, progress, .. } = operation.clone();
        OperationView {
            id,
            kind: ActionKind::named(action.as_str()).unwrap_or(ActionKind::Retry),
            title: format!("{} {target}", wording::imperative(&action)),
            // With arguments that are cut, it would be another job's.
            command: self.same_command(&action, &target).filter(|_| !operation.is_cut),
            action: wording::raw(&action),
            target: wording::raw(&target),
            by,
            reason: operation.reason.clone(),
            created_at: operation.created_at,
            expected: operation.expected,
            per_second: operation.per_second.map(NonZeroU32::get),
            state: operation.state.as_str().to_owned(),
            progress: ProgressCount {
                done: progress.done,
                changed: progress.changed,
                unchanged: progress.unchanged,
                failed: progress.failed,
            },
            finished_at: operation.finished_at,
            interrupted_at: operation.interrupted_at(self.now()),
            stopped_by: operation.stopped_by.clone(),
            error: operation.error.as_ref().map(|error| self.shown_error(&operation.action, error)),
            results: operation.results.clone(),
            is_shortened: operation.is_cut,
        }
    }
}

fn key_of(key: &str) -> Result<String, Problem> {
    let fits = (1..=MAX_KEY).contains(&key.len());
    let detail = || format!("An idempotency key has 1 to {MAX_KEY} characters of ASCII.");
    fits.then(|| key.to_owned()).ok_or_else(|| Problem::parameter("Idempotency-Key", detail()))
}

impl From<lamplighter::operation::JobCount> for PreviewCount {
    fn from(count: lamplighter::operation::JobCount) -> Self {
        Self { job: count.job, queue: count.queue, jobs: count.jobs }
    }
}

impl OperationView {
    /// Whether it goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.parse::<OperationState>().is_ok_and(|state| !state.is_final())
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Store(error) => error.into(),
            OperationError::Schedule(error) => error.into(),
            OperationError::UnknownJob(id) => Self::not_found("job", id.as_str()),
            OperationError::Unknown(id) => Self::not_found("operation", id.as_str()),
            OperationError::KeyTaken(_) | OperationError::Held(_) => Self::conflict(error.to_string()),
            OperationError::Arguments { problems, .. } => Self::arguments(problems.join("; ")),
            error if error.is_temporary() => Self::unavailable(error.to_string()),
            error => Self::unfit(error.to_string()),
        }
    }
}
