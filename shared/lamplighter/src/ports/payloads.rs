//! Arguments that are too large for a message, kept elsewhere: the message carries a reference, the claim check.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::StoreError;
use crate::id::JobId;

/// Where arguments lie that are too large for a message.
#[async_trait]
pub trait Payloads: Send + Sync + 'static {
    /// Keeps a job's arguments, and gives the reference that a message carries in their place. `due_at`: when the job is
    /// due, where that is later.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`](super::StoreErrorKind::Invalid) when they are too large, and when they would be gone
    /// before the job has run.
    async fn put(&self, id: &JobId, args: &RawValue, due_at: Option<Timestamp>) -> Result<String, StoreError>;

    /// The arguments of that reference.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) when it is worth another try; any other kind
    /// when it is not: they are gone, or the reference leads elsewhere.
    async fn get(&self, reference: &str) -> Result<Box<RawValue>, StoreError>;
}
