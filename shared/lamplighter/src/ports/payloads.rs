//! Arguments that are too large for a message, kept elsewhere: the message carries a reference, the claim check.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::StoreError;
use crate::id::JobId;

/// Stores arguments that are too large for a message.
#[async_trait]
pub trait Payloads: Send + Sync + 'static {
    /// Stores a job's arguments, and returns the reference that a message carries instead. `due_at`: when the job is
    /// due, if that is in the future.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) when they are too large, or would expire before the
    /// job has run.
    async fn put(&self, id: &JobId, args: &RawValue, due_at: Option<Timestamp>) -> Result<String, StoreError>;

    /// Returns the arguments of a reference.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) when another try may succeed; any other kind
    /// when it cannot: the arguments are gone, or the reference points elsewhere.
    async fn get(&self, reference: &str) -> Result<Box<RawValue>, StoreError>;

    /// Deletes the arguments of a reference, whose job is deleted. Succeeds when they are gone.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    async fn delete(&self, reference: &str) -> Result<(), StoreError>;
}
