//! Operations that nobody here can carry out.

use super::{Runner, within};
use crate::operation::{Operation, OperationError, OperationState};

impl Runner {
    /// Ends an operation that has waited for long for somebody who can carry it out. Returns `None` if it still waits.
    pub(super) async fn abandon(&self, mut operation: Operation) -> Result<Option<Operation>, OperationError> {
        let now = self.client().env().now();
        let lease_end = operation.lease.as_ref().map_or(operation.created_at, |lease| lease.until);
        if lease_end.saturating_add(Self::ABANDONED).is_ok_and(|end| end > now) {
            return Ok(None);
        }
        operation.note_error(
            "the process that carried it out has ended, and what goes on with others cannot do this; ask again",
        );
        operation.end(OperationState::Failed, now);
        let is_saved = within(self.client().operation_port()?.save(&operation)).await?;
        Ok(is_saved.then_some(operation))
    }
}
