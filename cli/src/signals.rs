//! The ways in which a process is asked to end.

use std::process;

use lamplighter::Stop;

use crate::{error::Error, output};

/// Listens for them, from when it is made: Ctrl-C everywhere, and SIGTERM where there is such a thing.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    terminate: tokio::signal::windows::CtrlBreak,
}

impl Signals {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self, Error> {
        Self::register().map_err(|error| {
            Error::failed(format_args!("cannot listen for signals: {error}; run it where that is allowed"))
        })
    }

    #[cfg(unix)]
    fn register() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(windows)]
    fn register() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()? })
    }

    /// What is told to come to an end when the process is asked for it. Asked once more, the process ends at once.
    pub(crate) fn stop() -> Result<Stop, Error> {
        let mut signals = Self::listen()?;
        let stop = Stop::new();
        let told = stop.clone();
        tokio::spawn(async move {
            signals.next().await;
            output::hint("stopping when what is under way has ended; Ctrl-C again ends at once");
            told.drain();
            signals.next().await;
            process::exit(130);
        });
        Ok(stop)
    }

    /// Resolves when the process is asked to end; another time when it is asked again.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
