//! A timer that works while all of tokio's threads are blocked.

use std::{thread, time::Duration};

use tokio::sync::mpsc;

/// The interval between beats while every moment counts.
const BEAT: Duration = Duration::from_millis(20);

/// A beat in real time. tokio's own timers are driven by its threads: while handlers block all of them, none fires.
pub(super) struct Pulse {
    every: Duration,
    beats: Option<mpsc::UnboundedReceiver<()>>,
}

impl Pulse {
    /// The pulse of a drain.
    pub(super) fn quick() -> Self {
        Self::every(BEAT)
    }

    pub(super) fn every(every: Duration) -> Self {
        let (beat, beats) = mpsc::unbounded_channel();
        let run = move || {
            while !beat.is_closed() {
                thread::park_timeout(every);
                if beat.send(()).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("lamplighter-pulse".into()).spawn(run);
        if let Err(error) = &thread {
            tracing::warn!(%error, "cannot start a thread; a handler that blocks may delay the stop");
        }
        Self { every, beats: thread.ok().map(|_| beats) }
    }

    /// Resolves at the next beat, or a beat later.
    pub(super) async fn beat(&mut self) {
        match &mut self.beats {
            Some(beats) => drop(beats.recv().await),
            None => tokio::time::sleep(self.every).await,
        }
    }
}
