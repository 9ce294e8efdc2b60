//! Handlers: plain async functions.

use std::{future::Future, pin::Pin, sync::Arc};

use serde::Serialize;

use crate::{context::Context, error::JobError, job::Job, layer::Output, misfit::Misfit};

/// What a handler's attempt gave: its output as JSON, or why there is none.
pub(crate) type Outcome = Result<Output, JobError>;

/// The state that a function was given by [`Function::with_state`](crate::Function::with_state), or a part of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct State<S>(pub S);

/// How a handler's state is taken from its function's state. Every type can be taken from itself.
pub trait FromRef<S> {
    /// Takes it.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}

/// An async function that performs a job: `(job)`, `(job, ctx)` or `(job, ctx, State(s))`, where `job` is a [`Job`],
/// `ctx` a [`Context`] and `s` the function's state. It returns `Result<T, JobError>`, where `T` is any type that
/// serde can write (the job's output). `?` works on any error, and then means: try again by the job's policy.
///
/// Implemented for such functions only; there is nothing to implement by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler for jobs",
    label = "not a handler",
    note = "a handler is an `async fn` that takes `(job)`, `(job, Context)` or `(job, Context, State<S>)` in this order, \
            where the job implements `lamplighter::Job`",
    note = "it returns `Result<T, JobError>`, where `T` implements `serde::Serialize`, and its future is `Send`",
    note = "`State<S>` needs `.with_state(s)` with a state of type `S`, or of a type from which `S` implements `FromRef`"
)]
pub trait Handler<J, S, Form>: Clone + Send + Sync + 'static {
    /// Performs the job.
    fn call(self, job: J, context: Context, state: &S) -> impl Future<Output = Outcome> + Send + 'static;
}

impl<J, S, F, Fut, T, E> Handler<J, S, fn(J)> for F
where
    J: Job,
    F: Fn(J) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Serialize,
    E: Into<JobError>,
{
    fn call(self, job: J, _: Context, _: &S) -> impl Future<Output = Outcome> + Send + 'static {
        let future = self(job);
        async move { outcome(future.await) }
    }
}

impl<J, S, F, Fut, T, E> Handler<J, S, fn(J, Context)> for F
where
    J: Job,
    F: Fn(J, Context) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Serialize,
    E: Into<JobError>,
{
    fn call(self, job: J, context: Context, _: &S) -> impl Future<Output = Outcome> + Send + 'static {
        let future = self(job, context);
        async move { outcome(future.await) }
    }
}

impl<J, S, P, F, Fut, T, E> Handler<J, S, fn(J, Context, State<P>)> for F
where
    J: Job,
    P: FromRef<S>,
    F: Fn(J, Context, State<P>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Serialize,
    E: Into<JobError>,
{
    fn call(self, job: J, context: Context, state: &S) -> impl Future<Output = Outcome> + Send + 'static {
        let future = self(job, context, State(P::from_ref(state)));
        async move { outcome(future.await) }
    }
}

fn outcome<T: Serialize, E: Into<JobError>>(result: Result<T, E>) -> Outcome {
    let output = result.map_err(Into::into)?;
    match serde_json::value::to_raw_value(&output) {
        Ok(output) => Ok((output.get() != "null").then_some(output)),
        // The work is done and doing it again would not change this: the output type is at fault.
        Err(error) => Err(JobError::fail(format!("the output cannot be written as JSON: {error}"))),
    }
}

/// A handler with its types forgotten, and with its layers where it has any. It reads the arguments from the context.
pub(crate) type ErasedHandler = Arc<dyn Fn(Context) -> Result<OutcomeFuture, Misfit> + Send + Sync>;
/// What an erased handler's call gives.
pub(crate) type OutcomeFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

pub(crate) fn erase<J, S, Form, H>(handler: H, state: S) -> ErasedHandler
where
    J: Job,
    S: Send + Sync + 'static,
    H: Handler<J, S, Form>,
{
    Arc::new(move |context| {
        let job: J = Misfit::read(context.args().get())?;
        Ok(Box::pin(handler.clone().call(job, context, &state)))
    })
}
