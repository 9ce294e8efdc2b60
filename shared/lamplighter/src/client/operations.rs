//! Reading and stopping what operators do. A [`Runner`](crate::operation::Runner) begins and carries it out.

use std::sync::Arc;

use super::Client;
use crate::{
    id::JobId,
    operation::{Operation, OperationState},
    ports::{OperationPage, OperationQuery, Operations, StoreError, StoreErrorKind},
    record::Record,
};

/// How often a write is tried while others write too: the runner does once a page.
const TRIES: usize = 10;

impl Client {
    /// Operations, the latest first, a page at a time.
    ///
    /// # Errors
    /// When the store cannot be read, or the backend keeps no operations.
    pub async fn operations(&self, query: &OperationQuery) -> Result<OperationPage, StoreError> {
        self.operation_port()?.list(query).await
    }

    /// One operation.
    ///
    /// # Errors
    /// As [`operations`](Self::operations).
    pub async fn operation(&self, id: &JobId) -> Result<Option<Operation>, StoreError> {
        self.operation_port()?.get(id).await
    }

    /// Stops an operation: the process that carries it out ends it within a page, and one that nobody carries out has stopped at once.
    /// Returns the operation as it is now, or `None` when there is no such operation. One that had ended stays as it was.
    ///
    /// # Errors
    /// When the store cannot be reached, or the backend keeps no operations.
    pub async fn stop_operation(&self, id: &JobId, by: &str) -> Result<Option<Operation>, StoreError> {
        let port = self.operation_port()?;
        for _ in 0..TRIES {
            let Some(mut operation) = port.get(id).await? else { return Ok(None) };
            let is_held = operation.is_held(self.env().now());
            if operation.state.is_final() || operation.state == OperationState::Stopping && is_held {
                return Ok(Some(operation));
            }
            if operation.stopped_by.is_none() {
                operation.stopped_by = Some(by.chars().take(Operation::MAX_CHARS).collect());
            }
            operation.state = OperationState::Stopping;
            if !is_held {
                operation.end(OperationState::Stopped, self.env().now());
            }
            if port.save(&operation).await? {
                operation.version += 1;
                return Ok(Some(operation));
            }
        }
        let text = format_args!("operation {id} was changed by others {TRIES} times in a row; try again");
        Err(StoreError::unavailable(text))
    }

    /// The same client, for a copy of a job: that one is its parent.
    pub(crate) fn copies(&self, record: &Record) -> Self {
        self.child_of(&record.id, &record.message, None)
    }

    pub(crate) fn operation_port(&self) -> Result<&Arc<dyn Operations>, StoreError> {
        self.shared.backend.operations.as_ref().ok_or_else(|| {
            let text = "this backend keeps no operations: they come with records, and no table is configured";
            StoreError::new(StoreErrorKind::Invalid, text)
        })
    }
}
