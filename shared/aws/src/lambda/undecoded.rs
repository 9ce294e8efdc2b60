//! Passes an invocation's payload to its handler as it came: the runtime's own decoding notes a path for errors with each
//! value, which takes a multiple of the time.

use std::task;

use bytes::Bytes;
use lambda_runtime::{LambdaInvocation, Service, tower::Layer};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny},
};

tokio::task_local! {
    /// The payload of the invocation that the runtime decodes: it does so within the call of its service.
    static CALLED_WITH: Bytes;
}

/// Puts the payload aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct SetAside;

/// A service whose invocations have a payload of `null`; their own is a handler's [`Undecoded`].
#[derive(Clone)]
pub(super) struct WithoutPayload<S>(S);

impl<S> Layer<S> for SetAside {
    type Service = WithoutPayload<S>;

    fn layer(&self, inner: S) -> WithoutPayload<S> {
        WithoutPayload(inner)
    }
}

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for WithoutPayload<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> S::Future {
        let payload = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        CALLED_WITH.sync_scope(payload, || self.0.call(invocation))
    }
}

/// The payload that was set aside.
pub(super) struct Undecoded(pub(super) Bytes);

impl<'de> Deserialize<'de> for Undecoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        CALLED_WITH.try_with(|payload| Self(payload.clone())).map_err(D::Error::custom)
    }
}
