//! Arguments that are too large for a message, kept elsewhere: the message carries a reference, the claim check.

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::StoreError;
use crate::id::JobId;

/// Where arguments lie that are too large for a message.
#[async_trait]
pub trait Payloads: Send + Sync + 'static {
    /// Keeps a job's arguments, and gives the reference that a message carries in their place.
    async fn put(&self, id: &JobId, args: &RawValue) -> Result<String, StoreError>;

    /// The arguments of that reference.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`](super::StoreErrorKind::Unavailable) when it is worth another try; any other kind
    /// when it is not: they are gone, or the reference leads elsewhere.
    async fn get(&self, reference: &str) -> Result<Box<RawValue>, StoreError>;
}
