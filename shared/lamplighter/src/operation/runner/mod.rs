//! Carrying operations out: a page at a time, under a lease in the operation.

mod abandoned;
mod acting;
mod comparable;
mod dead_letters;
mod enqueue;
mod held;
mod jobs;
mod meant;
mod pace;
mod preview;
mod schedules;
mod start;
mod step;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use self::held::{Held, Taken};
use super::{
    action::Action,
    check::{CheckArguments, CheckByType},
    error::OperationError,
    state::OperationState,
    target::Target,
    tracked::Operation,
};
use crate::{
    client::Client,
    host::Stop,
    id::JobId,
    job::Definition,
    ports::{Operator, StoreError},
    query::Query,
    redaction::Redactions,
};

/// The longest wait for one answer.
const CALL: Duration = Duration::from_secs(20);

/// Begins operations, carries them out, and goes on with those whose runner has died. Cloning is cheap, and clones are one
/// runner.
///
/// An operation is carried out by the runner that has its lease, a page at a time: at most [`PAGE`](Self::PAGE) jobs, or as
/// many as its rate allows in two seconds. After each page its progress and its place are saved, so another runner goes on
/// where this one has died or was stopped.
#[derive(Clone)]
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    operator: Option<Arc<dyn Operator>>,
    definitions: Vec<Definition>,
    redactions: Option<Redactions>,
    check: Arc<dyn CheckArguments>,
    /// Its name in leases.
    owner: String,
}

/// What [`Runner::run_open`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resumed {
    /// Operations that have ended.
    pub ended: u64,
    /// Operations that it went on with and that have not ended.
    pub open: u64,
    /// Operations that it left to others.
    pub left: u64,
}

impl Runner {
    /// The most jobs of one page.
    pub const PAGE: usize = 100;
    /// How long a runner has an operation after its last sign of life.
    pub const LEASE: Duration = Duration::from_secs(30);
    /// How long an operation that nobody here can carry out waits for the one who can.
    pub const ABANDONED: Duration = Duration::from_secs(3600);

    /// A runner for the operations of this client's backend. It checks arguments and hides sensitive ones by these
    /// definitions; without any, it goes on with operations that need none.
    #[must_use]
    pub fn new(client: Client, definitions: Vec<Definition>) -> Self {
        let owner = format!("{:016x}", client.env().random.next_u64());
        let redactions = (!definitions.is_empty()).then(|| Redactions::of(&definitions));
        let check = Arc::new(CheckByType);
        Self { shared: Arc::new(Shared { client, operator: None, definitions, redactions, check, owner }) }
    }

    /// With an operator, for operations on queues and dead letters.
    #[must_use]
    pub fn with_operator(self, operator: Arc<dyn Operator>) -> Self {
        self.map(|shared| shared.operator = Some(operator))
    }

    /// With another check of arguments than [by type](CheckByType).
    #[must_use]
    pub fn with_check(self, check: Arc<dyn CheckArguments>) -> Self {
        self.map(|shared| shared.check = check)
    }

    fn map(self, change: impl FnOnce(&mut Shared)) -> Self {
        let Shared { client, operator, definitions, redactions, check, owner } = &*self.shared;
        let mut shared = Shared {
            client: client.clone(),
            operator: operator.clone(),
            definitions: definitions.clone(),
            redactions: redactions.clone(),
            check: check.clone(),
            owner: owner.clone(),
        };
        change(&mut shared);
        Self { shared: Arc::new(shared) }
    }

    fn client(&self) -> &Client {
        &self.shared.client
    }

    /// Carries an operation out, from where it is to its end, and returns it as it is then. It ends early, and goes on with
    /// the next call, when `stop` begins to drain or at `until`: after the page under way. To end it for good, use
    /// [`Client::stop_operation`].
    ///
    /// # Errors
    /// When there is no such operation, when another runner has it, or when the store cannot be reached; then it goes on later.
    /// Jobs that cannot be changed are counted in the operation.
    pub async fn run(&self, id: &JobId, stop: &Stop, until: Option<Instant>) -> Result<Operation, OperationError> {
        match self.take(id).await? {
            Taken::Ended(operation) => Ok(operation),
            Taken::Held(held) => self.go_on(held, stop, until, true).await,
        }
    }

    /// Goes on with operations that nobody carries out, one after the other, until `stop` begins to drain or `until`. Those
    /// that it cannot carry out are left to others.
    ///
    /// # Errors
    /// When the open operations cannot be read.
    pub async fn run_open(&self, stop: &Stop, until: Option<Instant>) -> Result<Resumed, StoreError> {
        let mut resumed = Resumed::default();
        for operation in within(self.client().operation_port()?.open()).await? {
            if stop.is_draining() || until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if operation.is_held(self.client().env().now()) {
                continue;
            }
            let answer = match self.can_carry_out(&operation) || operation.state == OperationState::Stopping {
                true => match self.take(&operation.id).await {
                    Ok(Taken::Ended(operation)) => Ok(Some(operation)),
                    Ok(Taken::Held(held)) => self.go_on(held, stop, until, false).await.map(Some),
                    Err(error) => Err(error),
                },
                false => self.abandon(operation.clone()).await,
            };
            match answer {
                Ok(Some(operation)) if operation.state.is_final() => resumed.ended += 1,
                Ok(Some(_)) => resumed.open += 1,
                Ok(None) | Err(OperationError::Held(_)) => resumed.left += 1,
                Err(error) => {
                    resumed.open += 1;
                    tracing::warn!(operation = %operation.id, %error, "an operation could not go on; it is tried again");
                }
            }
        }
        Ok(resumed)
    }

    /// Whether it has all that an operation needs.
    fn can_carry_out(&self, operation: &Operation) -> bool {
        match (&operation.action, &operation.target) {
            (Action::PauseQueue | Action::ResumeQueue | Action::Redrive { .. } | Action::DeleteDeadLetters, _) => {
                self.shared.operator.is_some()
            }
            // Where it is not known which values are sensitive, a search must not find them.
            (_, Target::Query { query, .. }) => {
                self.shared.redactions.is_some()
                    || operation.comparable.is_some()
                    || query.parse::<Query>().is_ok_and(|query| query.arguments().is_empty())
            }
            _ => true,
        }
    }

    async fn go_on(
        &self,
        mut held: Held,
        stop: &Stop,
        until: Option<Instant>,
        is_own: bool,
    ) -> Result<Operation, OperationError> {
        loop {
            match self.step(&mut held, stop, until).await {
                Ok(is_last) => {
                    if is_last && !held.operation.state.is_final() {
                        held.end(OperationState::Done);
                    }
                }
                Err(error) if error.is_temporary() || !is_own && error.is_denied() => {
                    held.release(self).await;
                    return Err(error);
                }
                Err(error) => {
                    held.operation.note_error(&error);
                    held.end(OperationState::Failed);
                }
            }
            self.save(&mut held).await?;
            if held.operation.state == OperationState::Stopping {
                held.end(OperationState::Stopped);
                self.save(&mut held).await?;
            }
            if held.operation.state.is_final() {
                return Ok(held.operation);
            }
            if stop.is_draining() || until.is_some_and(|until| Instant::now() >= until) {
                held.release(self).await;
                return Ok(held.operation);
            }
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("owner", &self.shared.owner).finish_non_exhaustive()
    }
}

/// The answer to a call, which comes in time.
async fn within<T, E: From<StoreError>>(call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let late = || StoreError::unavailable(format_args!("the store has not answered for {} s", CALL.as_secs()));
    timeout(CALL, call).await.unwrap_or_else(|_| Err(late().into()))
}
