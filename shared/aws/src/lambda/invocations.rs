//! The invocations of the runtime API, as a source.

use std::{sync::OnceLock, time::Duration};

use async_trait::async_trait;
use lambda_runtime::{LambdaEvent, Runtime, layers::TracingLayer, service_fn};
use lamplighter::host::{Source, Stop};

use super::{
    Host, Invocation, Payload,
    undecoded::{SetAside, Undecoded},
};

/// The time for the runtime to send the responses of the last invocations.
const ANSWERS: Duration = Duration::from_millis(30);

/// The invocations that Lambda sends to this process.
pub(super) struct Invocations {
    pub(super) host: Host,
    /// Why there are no more.
    pub(super) end: OnceLock<String>,
}

#[async_trait]
impl Source for Invocations {
    fn name(&self) -> String {
        format!("invocations of {}", self.host.function().name())
    }

    async fn run(&self, stop: &Stop) {
        let host = self.host.clone();
        let serve = move |event: LambdaEvent<Undecoded>| {
            let host = host.clone();
            async move {
                let invocation = Invocation::of(&event.context, &host);
                host.handle(Payload::read(&event.payload.0), invocation).await
            }
        };
        let runtime = Runtime::new(service_fn(serve)).layer(SetAside).layer(TracingLayer::new());
        let drained = async {
            stop.draining().await;
            self.host.idle().await;
            tokio::time::sleep(ANSWERS).await;
        };
        tokio::select! {
            ended = runtime.run_concurrent() => {
                let end = ended.err().map_or_else(|| "it asked for no more invocations".into(), |error| error.to_string());
                // Set once: a source runs once.
                let _ = self.end.set(end);
            }
            () = drained => {}
        }
    }
}
