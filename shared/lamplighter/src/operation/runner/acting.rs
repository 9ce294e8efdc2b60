//! What runners do beside their actions: lines in the logs of jobs, and keeping a lease during a long call.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::sleep;

use super::{Runner, held::Held, within};
use crate::{
    id::JobId,
    log::{LogLevel, LogLine},
    operation::{Operation, OperationError},
};

/// How often the lease is renewed during a long call.
const RENEWAL: Duration = Duration::from_secs(10);

impl Runner {
    /// Writes a line about an operation into a job's log. The job is changed already: an error is only logged.
    pub(super) async fn write_line(&self, operation: &Operation, id: &JobId, text: String) {
        let line = LogLine::new(self.client().env().now(), 0, LogLevel::Info, text);
        let Ok(store) = self.client().store() else { return };
        if let Err(error) = within(store.log_operation(id, &operation.id, line)).await {
            tracing::warn!(%id, operation = %operation.id, %error, "the job's log does not say what was done to it");
        }
    }

    /// Waits for a long call, and keeps the lease meanwhile.
    pub(super) async fn while_held<T>(
        &self,
        held: &mut Held,
        call: impl Future<Output = T>,
    ) -> Result<T, OperationError> {
        let mut call = pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => return Ok(answer),
                () = sleep(RENEWAL) => self.save(held).await?,
            }
        }
    }
}
