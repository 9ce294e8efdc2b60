//! Operations that nobody here can carry out.

use super::{Runner, within};
use crate::operation::{Operation, OperationError, OperationState};

impl Runner {
    /// Ends an operation that has waited for long for somebody who can carry it out. Returns `None` if it still waits.
    pub(super) async fn abandon(&self, mut operation: Operation) -> Result<Option<Operation>, OperationError> {
        let now = self.client().env().now();
        let Some(since) = operation.interrupted_at(now) else { return Ok(None) };
        if since.saturating_add(Self::ABANDONED).is_ok_and(|end| end > now) {
            return Ok(None);
        }
        operation.note_error(
            "interrupted: the process that carried it out has ended, and for an hour nobody went on with it who can; what it \
             has done stays, ask again for the rest",
        );
        operation.end(OperationState::Failed, now);
        let is_saved = within(self.client().operation_port()?.save(&operation)).await?;
        Ok(is_saved.then_some(operation))
    }
}
