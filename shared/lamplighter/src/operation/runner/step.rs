//! One step of an operation.

use tokio::time::Instant;

use super::{Runner, held::Held, within};
use crate::{
    error::ErrorNote,
    host::Stop,
    operation::{Action, OperationError, OperationProgress, Target},
    ports::{Operator, StoreError, StoreErrorKind},
};

impl Runner {
    /// Does the next part of an operation, and returns whether it was the last one.
    pub(super) async fn step(
        &self,
        held: &mut Held,
        stop: &Stop,
        until: Option<Instant>,
    ) -> Result<bool, OperationError> {
        let (action, target) = (held.operation.action.clone(), held.operation.target.clone());
        match (&action, &target) {
            (Action::EditAndRun { .. } | Action::Enqueue { .. }, _) => self.find_enqueued(held).await,
            (Action::PauseQueue, Target::Queue { queue }) => {
                self.while_held(held, self.operator()?.pause(queue)).await??;
                Ok(done(held))
            }
            (Action::ResumeQueue, Target::Queue { queue }) => {
                self.while_held(held, self.operator()?.resume(queue)).await??;
                Ok(done(held))
            }
            (Action::Redrive { .. } | Action::DeleteDeadLetters, _) => self.dead_letters(held, stop, until).await,
            (Action::PauseSchedule, Target::Schedule { schedule }) => {
                within(self.client().pause_schedule(schedule)).await?;
                Ok(done(held))
            }
            (Action::ResumeSchedule, Target::Schedule { schedule }) => {
                within(self.client().resume_schedule(schedule)).await?;
                Ok(done(held))
            }
            (Action::TriggerSchedule, Target::Schedule { schedule }) => {
                // At the operation's own time: triggered twice, it is one job.
                let id = within(self.client().trigger_schedule_at(schedule, held.operation.created_at)).await?;
                held.operation.results.push(id);
                Ok(done(held))
            }
            (Action::RemoveSchedule, Target::Schedule { schedule }) => {
                within(self.client().unschedule(schedule)).await?;
                Ok(done(held))
            }
            (Action::Backfill { from, to }, Target::Schedule { schedule }) => {
                self.backfill(held, schedule, (*from, *to)).await
            }
            (Action::NoteError { .. } | Action::MuteError { .. }, Target::ErrorGroup { fingerprint }) => {
                let group = within(self.client().error_group(*fingerprint)).await?;
                let known = group.and_then(|group| group.note);
                let mut note = ErrorNote::new(held.operation.by.clone(), held.operation.created_at);
                if let Some(known) = known {
                    (note.note, note.muted_until) = (known.note, known.muted_until);
                }
                match action {
                    Action::NoteError { note: text } => note.note = text,
                    Action::MuteError { until } => note.muted_until = until,
                    _ => {}
                }
                if within(self.client().annotate_error(*fingerprint, note)).await? {
                    return Ok(done(held));
                }
                Err(OperationError::Invalid(format!("there is no error group {fingerprint}")))
            }
            _ => self.jobs(held).await,
        }
    }

    pub(super) fn operator(&self) -> Result<&dyn Operator, StoreError> {
        self.shared.operator.as_deref().ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Denied,
                "this process cannot operate queues; use `lamp` with the stack's name",
            )
        })
    }
}

/// Counts the one thing that there was to do.
pub(super) fn done(held: &mut Held) -> bool {
    held.operation.progress.add(OperationProgress::CHANGED);
    true
}
