//! Sweeps outboxes: enqueues what is committed there.

use std::time::Duration;

use async_trait::async_trait;
use lamplighter::{
    Client,
    backend::StoreError,
    host::{Source, Stop},
};
use tokio::time::Instant;

use crate::outbox::{Outbox, Sweep, Swept};

/// The time between two looks at an outbox: one read of an index.
const LOOK: Duration = Duration::from_millis(250);
/// The longest pause after errors.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The interval of log messages while an outbox cannot be swept.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// An outbox that the engine sweeps.
pub(super) struct OutboxSource {
    pub(super) outbox: Outbox,
    pub(super) client: Client,
}

impl OutboxSource {
    async fn sweep(&self, stop: &Stop) -> Result<Swept, StoreError> {
        let mut sweep = Sweep::default();
        let mut swept = Swept::default();
        while !stop.is_draining()
            && let Some(step) = self.outbox.step(&self.client, &mut sweep).await?
        {
            swept.enqueued += step.enqueued;
            swept.failed += step.failed;
        }
        sweep.end(swept)
    }
}

#[async_trait]
impl Source for OutboxSource {
    fn name(&self) -> String {
        format!("outbox {}", self.outbox.path().display())
    }

    async fn run(&self, stop: &Stop) {
        let (mut pause, mut said): (_, Option<Instant>) = (LOOK, None);
        loop {
            match self.sweep(stop).await {
                Ok(swept) => {
                    if swept != Swept::default() {
                        tracing::debug!(outbox = %self.outbox.path().display(), swept.enqueued, swept.failed, "swept");
                    }
                    (pause, said) = (LOOK, None);
                }
                Err(error) => {
                    if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
                        said = Some(Instant::now());
                        tracing::error!(%error, "an outbox cannot be swept; trying again");
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tokio::select! {
                () = stop.draining() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}
