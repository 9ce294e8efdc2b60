//! Lets SQS move dead letters itself: a message move task (Amazon SQS API Reference, StartMessageMoveTask).

use std::time::Duration;

use aws_sdk_sqs::{error::ProvideErrorMetadata, types::ListMessageMoveTasksResultEntry as Entry};
use lamplighter::{
    backend::{RedriveMethod, RedriveProgress, RedriveResult, StoreError, StoreErrorKind},
    host::Stop,
};
use tokio::time::{Instant, sleep};

use super::{DeadLetterQueue, Progress};
use crate::sdk::explain;

/// The pauses between two checks, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// The time limit for the end of a cancelled task.
const CANCELLING: Duration = Duration::from_secs(60);

/// The end of a task.
pub(super) enum End {
    /// It completed, or was cancelled.
    Ended(RedriveResult),
    /// The endpoint has no tasks, or this one got stuck: the rest is moved manually.
    Unable {
        /// The number that it has moved.
        moved: u64,
    },
}

/// Error codes of endpoints that have no such tasks.
const UNSUPPORTED: [&str; 5] =
    ["UnsupportedOperation", "InvalidAction", "UnknownOperationException", "NotImplemented", "UnknownOperation"];

fn is_unsupported(error: &impl ProvideErrorMetadata) -> bool {
    error.code().and_then(|code| code.rsplit('.').next()).is_some_and(|code| UNSUPPORTED.contains(&code))
}

impl DeadLetterQueue<'_> {
    /// Lets SQS move all dead letters, and watches the task. When `stop` begins to drain, the task is cancelled.
    pub(super) async fn move_task(&self, stop: &Stop, progress: Progress<'_>) -> Result<End, StoreError> {
        let Self { arn, dead_arn, .. } = self;
        match self.latest_task(dead_arn).await {
            Ok(Some(other)) if is_active(&other) => {
                let moved = other.approximate_number_of_messages_moved;
                let text = format!(
                    "SQS is moving messages of {dead_arn} already, {moved} so far, because somebody asked for it; wait \
                     for its end, which `aws sqs list-message-move-tasks --source-arn {dead_arn}` shows"
                );
                return Err(StoreError::new(StoreErrorKind::Invalid, text));
            }
            Ok(_) => {}
            Err(Refusal::Unsupported) => return Ok(End::Unable { moved: 0 }),
            Err(Refusal::Other(error)) => return Err(error),
        }
        let client = self.access.sqs.client().await?;
        let start = client.start_message_move_task().source_arn(dead_arn).destination_arn(arn).send().await;
        let handle = match start {
            Ok(started) => started.task_handle.unwrap_or_default(),
            Err(error) if is_unsupported(&error) => return Ok(End::Unable { moved: 0 }),
            Err(error) => return Err(explain(&error, &format!("start moving messages of {dead_arn}"))),
        };
        self.watch(&handle, stop, progress).await
    }

    async fn watch(&self, handle: &str, stop: &Stop, progress: Progress<'_>) -> Result<End, StoreError> {
        let mut pause = PAUSES.0;
        let mut cancelled: Option<Instant> = None;
        loop {
            let task = match self.latest_task(&self.dead_arn).await {
                Ok(task) => task,
                Err(Refusal::Other(error)) => return Err(error),
                Err(Refusal::Unsupported) => return Ok(End::Unable { moved: 0 }),
            };
            let moved = task.as_ref().map_or(0, |task| task.approximate_number_of_messages_moved);
            let to_move = task.as_ref().and_then(|task| task.approximate_number_of_messages_to_move);
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let mut far = RedriveProgress::default();
            (far.moved, far.total) = (count(moved), to_move.map_or(self.total, count));
            progress(far);
            let mut result = RedriveResult::new(RedriveMethod::MoveTask, far);
            match task.as_ref().and_then(|task| task.status.as_deref()) {
                Some("COMPLETED") => return Ok(End::Ended(result)),
                Some("CANCELLED") => {
                    result.stopped = true;
                    return Ok(End::Ended(result));
                }
                Some("FAILED") => {
                    let reason = task.as_ref().and_then(|task| task.failure_reason.as_deref()).unwrap_or("no reason");
                    tracing::warn!(
                        queue = self.dead_arn,
                        reason,
                        "SQS could not move all messages; the rest is moved one by one"
                    );
                    return Ok(End::Unable { moved: far.moved });
                }
                _ => {}
            }
            if cancelled.is_some_and(|at| at.elapsed() > CANCELLING) {
                let text = format!("SQS is still moving messages of {}, although it was asked to stop", self.dead_arn);
                return Err(StoreError::unavailable(text));
            }
            if stop.is_draining() && cancelled.is_none() {
                let cancel =
                    self.access.sqs.client().await?.cancel_message_move_task().task_handle(handle).send().await;
                // A task that has just ended cannot be cancelled: the next check shows its end.
                if let Err(error) = cancel.map_err(|error| explain(&error, "stop moving messages"))
                    && error.kind() != StoreErrorKind::Invalid
                {
                    return Err(error);
                }
                (cancelled, pause) = (Some(Instant::now()), PAUSES.0);
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                () = stop.draining(), if cancelled.is_none() => {}
            }
        }
    }

    async fn latest_task(&self, arn: &str) -> Result<Option<Entry>, Refusal> {
        let client = self.access.sqs.client().await.map_err(Refusal::Other)?;
        match client.list_message_move_tasks().source_arn(arn).max_results(1).send().await {
            Ok(answer) => Ok(answer.results.unwrap_or_default().into_iter().next()),
            Err(error) if is_unsupported(&error) => Err(Refusal::Unsupported),
            Err(error) => Err(Refusal::Other(explain(&error, &format!("list the move tasks of {arn}")))),
        }
    }
}

enum Refusal {
    Unsupported,
    Other(StoreError),
}

fn is_active(task: &Entry) -> bool {
    matches!(task.status.as_deref(), Some("RUNNING" | "CANCELLING"))
}
