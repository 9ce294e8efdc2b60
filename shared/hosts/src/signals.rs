//! The signals that ask a process to end.

use std::{io, process, sync::mpsc, thread};

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, StopRequest};
use tokio::sync::oneshot;

/// Listens for requests to end the process, from its creation: Ctrl-C everywhere; on Unix SIGTERM, and SIGHUP, which is
/// sent when the terminal is closed; on Windows Ctrl-Break and the closing of the console.
///
/// It listens on a thread of its own, so that a blocked program still receives signals. A second signal ends the
/// process at once, with the exit code that shells use for a process ended by a signal.
#[derive(Debug)]
pub struct Signals(Option<oneshot::Receiver<&'static str>>);

impl Signals {
    /// Starts listening. `at_once` is called before a second signal ends the process.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn listen(at_once: impl FnOnce() + Send + 'static) -> io::Result<Self> {
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
                        let (name, _) = listeners.next().await;
                        // The receiver may have been dropped.
                        let _ = tell.send(name);
                        let (_, code) = listeners.next().await;
                        at_once();
                        process::exit(code)
                    });
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        };
        thread::Builder::new().name("signals".into()).spawn(listen)?;
        registered.recv().map_err(io::Error::other)??;
        Ok(Self(Some(asked)))
    }

    /// Creates signals for a test.
    #[doc(hidden)]
    #[must_use]
    pub fn of(asked: oneshot::Receiver<&'static str>) -> Self {
        Self(Some(asked))
    }

    /// Resolves when the process is asked to end, with the name of the signal. Only once: the second signal ends the
    /// process.
    pub async fn asked(&mut self) -> &'static str {
        if let Some(asked) = &mut self.0 {
            let name = asked.await;
            self.0 = None;
            if let Ok(name) = name {
                return name;
            }
        }
        std::future::pending().await
    }
}

#[async_trait]
impl Lifecycle for Signals {
    async fn stop_requested(&mut self) -> StopRequest {
        StopRequest::new(self.asked().await)
    }

    fn reports_every(&self) -> Option<std::time::Duration> {
        None
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
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Returns the next signal, and its exit code.
    async fn next(&mut self) -> (&'static str, i32) {
        let Self { interrupt, terminate, hangup } = self;
        let hung_up = async {
            match hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let (name, number) = tokio::select! {
            _ = interrupt.recv() => ("SIGINT", 2),
            _ = terminate.recv() => ("SIGTERM", 15),
            _ = hung_up => ("SIGHUP", 1),
        };
        (name, 128 + number)
    }
}

/// Returns whether it was started to outlive its terminal, by `nohup`. Only Linux reports that.
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
    fn register() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self(ctrl_c()?, ctrl_break()?, ctrl_close()?))
    }

    /// Returns the next signal, and the exit code of an interrupted process.
    async fn next(&mut self) -> (&'static str, i32) {
        let name = tokio::select! {
            _ = self.0.recv() => "Ctrl-C",
            _ = self.1.recv() => "Ctrl-Break",
            _ = self.2.recv() => "console closed",
        };
        (name, 130)
    }
}
