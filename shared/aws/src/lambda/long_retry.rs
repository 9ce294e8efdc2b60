//! Attempts that are further away than SQS can hide a message: 12 hours from its first receive (Amazon SQS Developer
//! Guide, "Amazon SQS visibility timeout"). A new message is sent for the attempt's due time, and this one is deleted
//! once that is certain.

use std::{sync::Arc, time::Duration};

use lamplighter::{
    JobId, Timestamp, Tracking,
    backend::{EnqueueRequest, StoreError, StoreErrorKind},
    message::Message,
};

use super::{Host, record::Record};

pub(crate) async fn send_later(
    host: &Host,
    queue: &Arc<str>,
    record: &Record,
    delay: Duration,
) -> Result<(), StoreError> {
    let invalid = |error: &dyn std::fmt::Display| StoreError::new(StoreErrorKind::Invalid, error);
    let Some(delayed_sender) = host.delayed_sender() else {
        return Err(invalid(&"neither a schedule group nor a table is configured here"));
    };
    let mut message: Message = record.body.as_deref().unwrap_or_default().parse().map_err(|error| invalid(&error))?;
    let id = match (&message.id, &record.message_id) {
        (Some(id), _) => id.clone(),
        // The message's id here stays the job's id.
        (None, Some(id)) => JobId::new(id).map_err(|error| invalid(&error))?,
        (None, None) => return Err(invalid(&"the message has no id")),
    };
    message.id = Some(id.clone());
    let tracked = host.tracks(&message.job);
    let receives = record.system.receives.unwrap_or(1).max(1);
    if !tracked {
        message.attempts = message.attempts.saturating_add(receives);
    }
    let due_at = host.env().now().saturating_add(delay).unwrap_or(Timestamp::MAX);
    let mut submission = EnqueueRequest::new(id, queue.clone(), Arc::new(message));
    submission.due_at = Some(due_at);
    submission.group = record.system.group.as_deref().map(Into::into);
    submission.tracking = if tracked { Tracking::Full } else { Tracking::Untracked };
    submission.caller_supplied_id = true;
    delayed_sender.retry(&submission, due_at).await
}
