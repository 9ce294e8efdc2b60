//! SQS's own road: a message move task (Amazon SQS API Reference, StartMessageMoveTask).

use std::time::Duration;

use aws_sdk_sqs::{error::ProvideErrorMetadata, types::ListMessageMoveTasksResultEntry as Entry};
use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    host::Stop,
};
use tokio::time::{Instant, sleep};

use super::{Moved, Place, Redriven};
use crate::{operator::Operator, sdk::explain};

/// The pauses between two looks, the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// How long a cancelled task may take to come to its end.
const CANCELLING: Duration = Duration::from_secs(60);

/// How a task ended.
pub(super) enum End {
    /// As it should, or as somebody wanted it.
    Ended(Redriven),
    /// There are no tasks here, or this one got stuck: our own road goes on from here.
    Unable {
        /// What it has moved.
        moved: u64,
    },
}

/// Error codes of endpoints that have no such tasks.
const UNSUPPORTED: [&str; 5] =
    ["UnsupportedOperation", "InvalidAction", "UnknownOperationException", "NotImplemented", "UnknownOperation"];

fn is_unsupported(error: &impl ProvideErrorMetadata) -> bool {
    error.code().and_then(|code| code.rsplit('.').next()).is_some_and(|code| UNSUPPORTED.contains(&code))
}

impl Operator {
    /// Lets SQS move all letters, and watches it. When `stop` is told to drain, the task is cancelled.
    pub(super) async fn move_task(
        &self,
        place: &Place,
        stop: &Stop,
        tell: &(impl Fn(Moved) + Sync),
    ) -> Result<End, StoreError> {
        let Place { arn, dead_arn, .. } = place;
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
        let start =
            self.sqs_client().await?.start_message_move_task().source_arn(dead_arn).destination_arn(arn).send().await;
        let handle = match start {
            Ok(started) => started.task_handle.unwrap_or_default(),
            Err(error) if is_unsupported(&error) => return Ok(End::Unable { moved: 0 }),
            Err(error) => return Err(explain(&error, &format!("start moving messages of {dead_arn}"))),
        };
        self.watch(place, &handle, stop, tell).await
    }

    async fn watch(
        &self,
        place: &Place,
        handle: &str,
        stop: &Stop,
        tell: &(impl Fn(Moved) + Sync),
    ) -> Result<End, StoreError> {
        let mut pause = PAUSES.0;
        let mut cancelled: Option<Instant> = None;
        loop {
            let task = match self.latest_task(&place.dead_arn).await {
                Ok(task) => task,
                Err(Refusal::Other(error)) => return Err(error),
                Err(Refusal::Unsupported) => return Ok(End::Unable { moved: 0 }),
            };
            let moved = task.as_ref().map_or(0, |task| task.approximate_number_of_messages_moved);
            let to_move = task.as_ref().and_then(|task| task.approximate_number_of_messages_to_move);
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let of = to_move.map_or(place.letters, count);
            let far = Moved { moved: count(moved), of, ..Moved::default() };
            tell(far);
            match task.as_ref().and_then(|task| task.status.as_deref()) {
                Some("COMPLETED") => return Ok(End::Ended(Redriven { moved: far, ..Redriven::default() })),
                Some("CANCELLED") => {
                    return Ok(End::Ended(Redriven { moved: far, stopped: true, ..Redriven::default() }));
                }
                Some("FAILED") => {
                    let reason = task.as_ref().and_then(|task| task.failure_reason.as_deref()).unwrap_or("no reason");
                    tracing::warn!(
                        queue = place.dead_arn,
                        reason,
                        "SQS could not move all messages; the rest goes singly"
                    );
                    return Ok(End::Unable { moved: far.moved });
                }
                _ => {}
            }
            if cancelled.is_some_and(|at| at.elapsed() > CANCELLING) {
                let text = format!("SQS is still moving messages of {}, though it was told to stop", place.dead_arn);
                return Err(StoreError::unavailable(text));
            }
            if stop.is_draining() && cancelled.is_none() {
                let cancel = self.sqs_client().await?.cancel_message_move_task().task_handle(handle).send().await;
                // One that has just ended cannot be cancelled: the next look tells.
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
        let client = self.sqs_client().await.map_err(Refusal::Other)?;
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
