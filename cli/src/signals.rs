//! The ways in which a process is asked to end.

use std::{process, sync::mpsc, thread};

use lamplighter::host::Stop;
use tokio::sync::oneshot;

use crate::{error::Error, output};

/// Listens for them, from when it is made: Ctrl-C everywhere, and where there are such things SIGTERM and SIGHUP, which
/// comes when the terminal is closed.
///
/// It listens on a thread of its own, so that nothing that blocks the program keeps a signal from being heard.
pub(crate) struct Signals(oneshot::Receiver<()>);

impl Signals {
    /// Begins to listen. When the process is asked to end for the second time, it says `at_once` and ends, with the exit
    /// code that shells give to a process which a signal has ended.
    pub(crate) fn listen(at_once: &'static str) -> Result<Self, Error> {
        let refused = |error: &dyn std::fmt::Display| {
            Error::failed(format_args!("cannot listen for signals: {error}; run it where that is allowed"))
        };
        let (ready, registered) = mpsc::channel();
        let (tell, asked) = oneshot::channel();
        let listen = move || {
            let outcome = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
                let listeners = {
                    let _inside = runtime.enter();
                    Listeners::register()?
                };
                Ok((runtime, listeners))
            });
            match outcome {
                Ok((runtime, mut listeners)) => {
                    // The caller waits for the answer.
                    let _ = ready.send(Ok(()));
                    runtime.block_on(async {
                        listeners.next().await;
                        // Nobody need be waiting for it any more.
                        let _ = tell.send(());
                        let code = listeners.next().await;
                        output::hint(at_once);
                        process::exit(code)
                    });
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        };
        thread::Builder::new().name("signals".into()).spawn(listen).map_err(|error| refused(&error))?;
        match registered.recv() {
            Ok(Ok(())) => Ok(Self(asked)),
            Ok(Err(error)) => Err(refused(&error)),
            Err(error) => Err(refused(&error)),
        }
    }

    /// What is told to come to an end when the process is asked for it. Asked once more, the process ends at once.
    pub(crate) fn stop() -> Result<Stop, Error> {
        let signals = Self::listen("ended at once")?;
        let stop = Stop::new();
        let told = stop.clone();
        tokio::spawn(async move {
            signals.asked().await;
            output::hint("stopping when what is under way has ended; Ctrl-C again ends at once");
            told.drain();
        });
        Ok(stop)
    }

    /// Resolves when the process is asked to end.
    pub(crate) async fn asked(self) {
        if self.0.await.is_err() {
            // The thread has ended without a signal, which it does not.
            std::future::pending::<()>().await;
        }
    }

    /// Signals of a test's own.
    #[cfg(test)]
    pub(crate) fn of(asked: oneshot::Receiver<()>) -> Self {
        Self(asked)
    }
}

#[cfg(unix)]
struct Listeners {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Listeners {
    fn register() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// The exit code that stands for the next signal.
    async fn next(&mut self) -> i32 {
        let Self { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let number = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
            _ = hung_up => 1,
        };
        128 + number
    }
}

/// Whether it was started to outlive its terminal, by `nohup`. Only Linux tells.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(windows)]
struct Listeners(tokio::signal::windows::CtrlC, tokio::signal::windows::CtrlBreak, tokio::signal::windows::CtrlClose);

#[cfg(windows)]
impl Listeners {
    fn register() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self(ctrl_c()?, ctrl_break()?, ctrl_close()?))
    }

    /// The exit code of a process that was interrupted.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
            _ = self.2.recv() => {}
        }
        130
    }
}
