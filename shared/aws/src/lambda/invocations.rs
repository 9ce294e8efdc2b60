//! The invocations of the runtime API, as a source.

use std::{sync::OnceLock, time::Duration};

use async_trait::async_trait;
use lambda_runtime::{LambdaEvent, service_fn};
use lamplighter::host::{Source, Stop};

use super::{Host, Invocation, Payload};

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
        let serve = move |event: LambdaEvent<Payload>| {
            let host = host.clone();
            async move {
                let invocation = Invocation::of(&event.context, &host);
                host.handle(event.payload, invocation).await
            }
        };
        let drained = async {
            stop.draining().await;
            self.host.idle().await;
            tokio::time::sleep(ANSWERS).await;
        };
        tokio::select! {
            ended = lambda_runtime::run_concurrent(service_fn(serve)) => {
                let end = ended.err().map_or_else(|| "it asked for no more invocations".into(), |error| error.to_string());
                // Set once: a source runs once.
                let _ = self.end.set(end);
            }
            () = drained => {}
        }
    }
}
