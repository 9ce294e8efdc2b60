//! An operation in the hands of its runner.

use super::{Runner, within};
use crate::{
    id::JobId,
    operation::{Operation, OperationError, OperationLease, OperationState},
    ports::StoreError,
};

/// How often a write is tried while others write too.
const TRIES: usize = 10;

/// An operation whose lease a runner has.
pub(super) struct Held {
    pub(super) operation: Operation,
    /// When the next job may be changed, where there is a rate.
    pub(super) next: Option<tokio::time::Instant>,
    now: jiff::Timestamp,
}

/// The answer to a runner that wants an operation.
pub(super) enum Taken {
    Held(Held),
    Ended(Operation),
}

impl Held {
    pub(super) const fn new(operation: Operation, now: jiff::Timestamp) -> Self {
        Self { operation, next: None, now }
    }

    /// Ends it, with the next save.
    pub(super) fn end(&mut self, state: OperationState) {
        self.operation.end(state, self.now);
    }

    /// Lets others go on with it. If that cannot be written, they do once the lease has ended.
    pub(super) async fn release(&mut self, runner: &Runner) {
        let mut released = self.operation.clone();
        // It says until when it was carried out.
        released.lease =
            Some(OperationLease { owner: runner.shared.owner.clone(), until: runner.client().env().now() });
        match runner.client().operation_port() {
            Ok(port) if within(port.save(&released)).await.is_ok_and(|saved| saved) => {
                released.version += 1;
                self.operation = released;
            }
            _ => tracing::debug!(operation = %self.operation.id, "the lease of an operation ends by itself"),
        }
    }
}

impl Runner {
    fn lease(&self) -> OperationLease {
        let now = self.client().env().now();
        let until = now.saturating_add(Self::LEASE).unwrap_or(jiff::Timestamp::MAX);
        OperationLease { owner: self.shared.owner.clone(), until }
    }

    /// With a lease from now on.
    pub(super) fn leased(&self, mut operation: Operation) -> Operation {
        operation.lease = Some(self.lease());
        operation
    }

    fn is_anothers(&self, operation: &Operation) -> bool {
        operation.is_held(self.client().env().now())
            && operation.lease.as_ref().is_some_and(|lease| lease.owner != self.shared.owner)
    }

    /// Takes the lease of an operation. One that was told to stop while nobody carried it out has stopped.
    pub(super) async fn take(&self, id: &JobId) -> Result<Taken, OperationError> {
        let port = self.client().operation_port()?;
        for _ in 0..TRIES {
            let found = within(port.get(id)).await?;
            let mut operation = found.ok_or_else(|| OperationError::Unknown(id.clone()))?;
            if operation.state.is_final() {
                return Ok(Taken::Ended(operation));
            }
            if self.is_anothers(&operation) {
                return Err(OperationError::Held(id.clone()));
            }
            let now = self.client().env().now();
            match operation.state {
                OperationState::Stopping => operation.end(OperationState::Stopped, now),
                _ => operation = self.leased(operation),
            }
            if within(port.save(&operation)).await? {
                operation.version += 1;
                return Ok(match operation.state.is_final() {
                    true => Taken::Ended(operation),
                    false => Taken::Held(Held::new(operation, now)),
                });
            }
        }
        Err(contended(id).into())
    }

    /// Saves how far an operation is, and keeps its lease. If it was told to stop meanwhile, its state says so afterwards.
    pub(super) async fn save(&self, held: &mut Held) -> Result<(), OperationError> {
        let port = self.client().operation_port()?;
        held.now = self.client().env().now();
        if held.operation.state.is_final() {
            held.operation.finished_at = Some(held.now);
        }
        for _ in 0..TRIES {
            if !held.operation.state.is_final() {
                held.operation = self.leased(held.operation.clone());
            }
            if within(port.save(&held.operation)).await? {
                held.operation.version += 1;
                return Ok(());
            }
            let id = held.operation.id.clone();
            let found = within(port.get(&id)).await?.ok_or_else(|| OperationError::Unknown(id.clone()))?;
            if found.state.is_final() {
                // Somebody has ended it after this runner's lease had.
                held.operation = found;
                return Ok(());
            }
            if found.lease.as_ref().is_none_or(|lease| lease.owner != self.shared.owner) {
                return Err(OperationError::Held(id));
            }
            held.operation.version = found.version;
            held.operation.stopped_by = found.stopped_by;
            if !held.operation.state.is_final() {
                held.operation.state = found.state;
            }
        }
        Err(contended(&held.operation.id).into())
    }
}

fn contended(id: &JobId) -> StoreError {
    StoreError::unavailable(format_args!("operation {id} was changed by others {TRIES} times in a row"))
}
