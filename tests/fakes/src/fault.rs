//! Faults that can be injected into a call.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::call::Call;

/// The fault of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done; the answer is an error with this status, code and message.
    Refused(u16, &'static str, &'static str),
    /// Nothing is done: a DynamoDB transaction is in conflict with another one.
    Conflict,
    /// The entries of a batch at these indexes fail; the flag says that the sender is at fault.
    Entries(Vec<usize>, bool),
    /// Nothing is done, and there is no answer.
    Silence,
    /// Nothing is done; the connection is closed without an answer.
    Dropped,
    /// The call is done, and its answer is lost: the caller gets a 500.
    AnswerLost,
    /// The call is done, and answered once the gate is open.
    Held(Gate),
}

impl Fault {
    /// The service is unavailable.
    pub const AWAY: Self = Self::refused(500, "InternalServerError");
    /// The request rate is too high.
    pub const THROTTLED: Self = Self::refused(400, "ThrottlingException");
    /// The caller's credentials have expired.
    pub const EXPIRED: Self = Self::refused(400, "ExpiredTokenException");

    /// Returns a refusal whose message does not matter.
    #[must_use]
    pub const fn refused(status: u16, code: &'static str) -> Self {
        Self::Refused(status, code, "as the test asked")
    }
}

/// Holds answers back until a test opens it, permanently.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// Returns a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through, now and from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn passed(&self) {
        // Fails only when the sender is dropped, which this keeps alive.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&*self.0.borrow()).finish()
    }
}

/// Returns the fault of a call, if it has one.
type Rule<M> = Box<dyn FnMut(&Call<M>) -> Option<Fault> + Send>;

/// The faults of future calls.
pub(crate) struct Faults<M>(Mutex<State<M>>);

struct State<M> {
    /// Each for one call of its action, in the order in which they were added.
    next: Vec<(String, Fault)>,
    rule: Option<Rule<M>>,
}

impl<M> Default for Faults<M> {
    fn default() -> Self {
        Self(Mutex::new(State { next: Vec::new(), rule: None }))
    }
}

impl<M> Faults<M> {
    pub(crate) fn push(&self, action: String, fault: Fault) {
        self.state().next.push((action, fault));
    }

    pub(crate) fn set_rule(&self, rule: impl FnMut(&Call<M>) -> Option<Fault> + Send + 'static) {
        self.state().rule = Some(Box::new(rule));
    }

    pub(crate) fn clear(&self) {
        *self.state() = State { next: Vec::new(), rule: None };
    }

    pub(crate) fn of(&self, call: &Call<M>) -> Option<Fault> {
        let mut state = self.state();
        if let Some(at) = state.next.iter().position(|(action, _)| *action == call.action) {
            return Some(state.next.remove(at).1);
        }
        state.rule.as_mut()?(call)
    }

    fn state(&self) -> MutexGuard<'_, State<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
