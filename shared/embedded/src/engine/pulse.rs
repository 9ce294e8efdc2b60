//! A timer that works while all of tokio's threads are blocked.

use std::{thread, time::Duration};

use tokio::sync::mpsc;

/// The interval between beats.
pub(crate) const BEAT: Duration = Duration::from_millis(20);

/// A beat in real time. tokio's own timers are driven by its threads: while handlers block all of them, none fires.
pub(crate) struct Pulse(Option<mpsc::UnboundedReceiver<()>>);

impl Pulse {
    pub(crate) fn start() -> Self {
        let (beat, beats) = mpsc::unbounded_channel();
        let run = move || {
            while !beat.is_closed() {
                thread::sleep(BEAT);
                if beat.send(()).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("lamplighter-pulse".into()).spawn(run);
        if let Err(error) = &thread {
            tracing::warn!(%error, "cannot start a thread; a handler that blocks may delay the stop");
        }
        Self(thread.ok().map(|_| beats))
    }

    /// Resolves at the next beat, or a beat later.
    pub(crate) async fn beat(&mut self) {
        match &mut self.0 {
            Some(beats) => drop(beats.recv().await),
            None => tokio::time::sleep(BEAT).await,
        }
    }
}
