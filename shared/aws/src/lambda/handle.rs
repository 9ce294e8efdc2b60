//! Dispatches an invocation by its payload. Tests and other hosts can pass it invocations too.

use super::{
    Host, Invocation, about::About, batch, error::InvocationError, event, message, payload::Payload, response::Response,
};

impl Host {
    /// Serves an invocation.
    ///
    /// # Errors
    /// When Lambda must count the invocation as failed: see [`InvocationError`].
    pub async fn handle(&self, payload: Payload, invocation: Invocation) -> Result<Response, InvocationError> {
        let _running = self.running();
        let answer = self.dispatch(payload, &invocation).await;
        lamplighter::trace::flush(invocation.flush_within()).await;
        answer
    }

    async fn dispatch(&self, payload: Payload, invocation: &Invocation) -> Result<Response, InvocationError> {
        match payload {
            Payload::Records { records } => batch::serve(self, records, invocation).await,
            Payload::Event { event } => event::serve(self, &event, invocation).await,
            Payload::Message { message } => message::serve(self, &message, invocation).await,
            Payload::About => Ok(Response::About(About::of(self.function()))),
            Payload::Unknown(what) => Err(InvocationError::unknown_event(self.function(), &what)),
        }
    }
}
