//! Moving dead letters back, or deleting them.

use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{Runner, held::Held};
use crate::{
    host::Stop,
    operation::{Action, OperationError, OperationProgress, OperationState},
    ports::{Redrive, RedriveProgress},
};

/// How often progress is saved, and how long a stop takes to be noticed.
const STEP: Duration = Duration::from_secs(2);

impl Runner {
    /// Goes through dead letters, and returns whether it came to their end.
    pub(super) async fn dead_letters(
        &self,
        held: &mut Held,
        stop: &Stop,
        until: Option<Instant>,
    ) -> Result<bool, OperationError> {
        let Some((queue, filter)) = held.operation.target.dead_letter_filter() else { return Ok(true) };
        let (queue, before) = (queue.to_owned(), held.operation.progress);
        let discard = held.operation.action == Action::DeleteDeadLetters;
        let mut redrive = Redrive::all().with_filter(filter);
        (redrive.discard, redrive.per_second) = (discard, held.operation.per_second);
        if let Action::Redrive { limit: Some(limit) } = held.operation.action {
            redrive.limit = Some(limit.saturating_sub(before.done - before.failed));
        }
        redrive.records = self.keeps_records(&queue);
        let operator = self.operator()?;
        let (far, inner) = (Mutex::new(RedriveProgress::default()), Stop::new());
        let note = |progress| *far.lock().unwrap_or_else(PoisonError::into_inner) = progress;
        let mut moving = pin!(operator.redrive(&queue, &redrive, &inner, &note));
        let result = loop {
            tokio::select! {
                result = &mut moving => break result?,
                () = sleep(STEP) => {
                    let so_far = *far.lock().unwrap_or_else(PoisonError::into_inner);
                    held.operation.progress = counted(before, so_far, 0, discard);
                    self.save(held).await?;
                    let is_over = stop.is_draining() || until.is_some_and(|until| Instant::now() >= until);
                    if is_over || held.operation.state == OperationState::Stopping {
                        inner.drain();
                    }
                }
            }
        };
        held.operation.progress = counted(before, result.progress, result.failed, discard);
        if result.twice > 0 {
            held.operation.note_error(format_args!("{} were moved, and could not be deleted", result.twice));
        }
        if let Some(error) = &result.error {
            held.operation.note_error(error);
            held.end(OperationState::Failed);
        }
        Ok(!result.stopped)
    }

    /// Whether any job of the queue keeps a record; one that is not defined here may.
    fn keeps_records(&self, queue: &str) -> bool {
        let mut jobs = self.shared.definitions.iter().filter(|job| job.queue.name() == queue).peekable();
        jobs.peek().is_none() || jobs.any(|job| job.options.is_tracked())
    }
}

fn counted(before: OperationProgress, far: RedriveProgress, failed: u64, discard: bool) -> OperationProgress {
    let (changed, unchanged) = if discard { (far.obsolete, 0) } else { (far.moved, far.obsolete) };
    let mut progress = before;
    progress.add(OperationProgress { done: changed + unchanged + failed, changed, unchanged, failed });
    progress
}
