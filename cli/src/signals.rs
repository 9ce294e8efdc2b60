//! Stops work in progress when the process is asked to end.

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, Status, Stop, StopRequest};
use lamplighter_hosts::Signals;

use crate::{error::Error, output};

/// Listens for signals. Before a second one ends the process, prints `at_once`.
pub(crate) fn listen(at_once: &'static str) -> Result<Signals, Error> {
    listen_until(move || output::hint(at_once))
}

/// Listens for signals. Before a second one ends the process, calls `at_once`.
pub(crate) fn listen_until(at_once: impl FnOnce() + Send + 'static) -> Result<Signals, Error> {
    Signals::listen(at_once).map_err(|error| {
        Error::failed(format_args!("cannot listen for signals: {error}; run it where that is allowed"))
    })
}

/// Returns a stop signal that is set when the process is asked to end. A second request ends it at once.
pub(crate) fn stop() -> Result<Stop, Error> {
    let mut signals = listen("ended at once")?;
    let stop = Stop::new();
    let signal = stop.clone();
    tokio::spawn(async move {
        signals.asked().await;
        output::hint("stopping when what is under way has ended; Ctrl-C again ends at once");
        signal.drain();
    });
    Ok(stop)
}

/// A lifecycle that announces its first request to stop on the terminal.
pub(crate) struct Announced<L> {
    pub(crate) lifecycle: L,
    /// The announcement; printed once.
    pub(crate) hint: Option<String>,
}

#[async_trait]
impl<L: Lifecycle> Lifecycle for Announced<L> {
    async fn stop_requested(&mut self) -> StopRequest {
        let request = self.lifecycle.stop_requested().await;
        if let Some(hint) = self.hint.take() {
            output::hint(&hint);
        }
        request
    }

    fn reports_every(&self) -> Option<std::time::Duration> {
        self.lifecycle.reports_every()
    }

    async fn report(&mut self, status: &Status) {
        self.lifecycle.report(status).await;
    }
}
