//! A process as the service manager starts it.

use std::{
    ffi::OsString,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, Status, StopRequest};
use tokio::sync::oneshot;
use windows_service::{
    define_windows_service,
    service::{ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType},
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
};

use super::{
    error::ServiceError,
    progress::{Progress, Report},
};

/// How long it may take until the first report: files are opened and stacks are read meanwhile.
const START_HINT: Duration = Duration::from_secs(60);
/// How long the next report may take. Reports come every second; a few may be late.
const WAIT_HINT: Duration = Duration::from_secs(10);
/// How long services have when the system shuts down: `WaitToKillServiceTimeout`, 5 seconds where nothing else was set
/// (Microsoft Learn, "Service Control Handler Function").
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A Windows service: the service manager ends it, and hears how far it is.
///
/// - *Start pending* until all sources reach their queues for the first time, at most 20 seconds; then *running*.
/// - STOP and PRESHUTDOWN end it. PRESHUTDOWN comes before the system shuts down; how long that waits is set at
///   [installation](super::Installation::preshutdown). SHUTDOWN, which leaves 5 seconds, ends it where PRESHUTDOWN has not come.
/// - *Stop pending* while it drains, with a checkpoint each second and ten seconds' time for the next, so that who waits for
///   the stop sees it proceed.
/// - *Stopped* when the work returns, with its exit code.
///
/// From the first request to end on, the service manager accepts no further one: what must end at once is a process to kill.
#[derive(Debug)]
pub struct WindowsService {
    reporter: Arc<Reporter>,
    asked: Option<oneshot::Receiver<ServiceControl>>,
    began: Instant,
    progress: Progress,
}

impl WindowsService {
    /// Runs `work` as the service of this name, which the service manager has started this process for, and returns when it
    /// has ended.
    ///
    /// `work` returns the service's exit code: other than 0 it is a failure, and the service manager acts as it was told at
    /// installation. A panic counts as one.
    ///
    /// # Errors
    /// [`ServiceError::NotAService`] when the service manager has not started this process.
    pub fn run(name: &str, work: impl FnOnce(Self) -> u32) -> Result<(), ServiceError> {
        let (give, given) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let named = name.to_owned();
        let entry = move || {
            let outcome = serve(&named, move |service| {
                // The receiver waits for it.
                let _ = give.send(service);
                // Nothing comes when the work has panicked.
                ended.recv().unwrap_or(1)
            });
            // As above.
            let _ = tell.send(outcome);
        };
        *lock() = Some(Box::new(entry));
        let named = name.to_owned();
        // It returns when the service has stopped. `work` stays on this thread, so that it may borrow.
        let dispatcher = thread::spawn(move || {
            let outcome = service_dispatcher::start(&named, service_main);
            // An entry that nobody has called, nobody will call: this ends the wait for it.
            drop(lock().take());
            outcome.map_err(|error| ServiceError::of(&named, error))
        });
        if let Ok(service) = given.recv() {
            // The entry point waits for it.
            let _ = end.send(work(service));
        }
        match told.recv() {
            // To the service manager it has not stopped, and the dispatcher may never return.
            Ok(Err(error)) => Err(error),
            // It does not panic.
            _ => dispatcher.join().unwrap_or(Ok(())),
        }
    }
}

/// What the entry point runs: the service manager calls a function, which can carry nothing.
static ENTRY: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

fn lock() -> MutexGuard<'static, Option<Box<dyn FnOnce() + Send>>> {
    ENTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

define_windows_service!(service_main, enter);

fn enter(_: Vec<OsString>) {
    let entry = lock().take();
    if let Some(entry) = entry {
        entry();
    }
}

fn serve(name: &str, work: impl FnOnce(WindowsService) -> u32) -> Result<(), ServiceError> {
    let wrong = |error| ServiceError::of(name, error);
    let reporter = Arc::new(Reporter::default());
    let (tell, asked) = oneshot::channel();
    let mut tell = Some(tell);
    let reports = reporter.clone();
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Preshutdown | ServiceControl::Shutdown => {
            // Here, not later: the library frees this handler when it returns, and from this report on the service manager
            // sends nothing that would call it again.
            reports.report(Report::Stopping);
            if let Some(tell) = tell.take() {
                // Nobody may be waiting for it any more.
                let _ = tell.send(control);
            }
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let handle = service_control_handler::register(name, handler).map_err(wrong)?;
    // Nobody else sets it. No control comes before the service is running.
    let _ = reporter.handle.set(handle);
    handle.set_service_status(reporter.starting(START_HINT)).map_err(wrong)?;
    let service = WindowsService {
        reporter: reporter.clone(),
        asked: Some(asked),
        began: Instant::now(),
        progress: Progress::default(),
    };
    let code = work(service);
    handle.set_service_status(stopped(code)).map_err(wrong)
}

/// Tells the service manager how far the service is.
#[derive(Debug, Default)]
struct Reporter {
    handle: OnceLock<ServiceStatusHandle>,
    checkpoint: AtomicU32,
}

impl Reporter {
    fn report(&self, report: Report) {
        let status = match report {
            Report::Starting => self.starting(WAIT_HINT),
            Report::Running => ServiceStatus {
                controls_accepted: ServiceControlAccept::STOP
                    | ServiceControlAccept::PRESHUTDOWN
                    | ServiceControlAccept::SHUTDOWN,
                ..status(ServiceState::Running)
            },
            Report::Stopping => self.pending(ServiceState::StopPending, WAIT_HINT),
        };
        if let Some(handle) = self.handle.get()
            && let Err(error) = handle.set_service_status(status)
        {
            tracing::warn!(%error, "the service manager could not be told how the service is");
        }
    }

    fn starting(&self, hint: Duration) -> ServiceStatus {
        self.pending(ServiceState::StartPending, hint)
    }

    fn pending(&self, state: ServiceState, wait_hint: Duration) -> ServiceStatus {
        let checkpoint = self.checkpoint.fetch_add(1, Ordering::Relaxed) + 1;
        ServiceStatus { checkpoint, wait_hint, ..status(state) }
    }
}

fn status(current_state: ServiceState) -> ServiceStatus {
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state,
        controls_accepted: ServiceControlAccept::empty(),
        exit_code: ServiceExitCode::NO_ERROR,
        checkpoint: 0,
        wait_hint: Duration::ZERO,
        process_id: None,
    }
}

fn stopped(code: u32) -> ServiceStatus {
    let exit_code = if code == 0 { ServiceExitCode::NO_ERROR } else { ServiceExitCode::ServiceSpecific(code) };
    ServiceStatus { exit_code, ..status(ServiceState::Stopped) }
}

#[async_trait]
impl Lifecycle for WindowsService {
    async fn stop_requested(&mut self) -> StopRequest {
        if let Some(asked) = &mut self.asked {
            let control = asked.await;
            self.asked = None;
            match control {
                Ok(ServiceControl::Preshutdown) => return StopRequest::new("PRESHUTDOWN"),
                Ok(ServiceControl::Shutdown) => return StopRequest::new("SHUTDOWN").killed_after(SHUTDOWN),
                Ok(_) => return StopRequest::new("STOP"),
                Err(_) => {}
            }
        }
        std::future::pending().await
    }

    async fn report(&mut self, status: &Status) {
        if let Some(report) = self.progress.report(status.phase, status.is_ready(), self.began.elapsed()) {
            self.reporter.report(report);
        }
    }
}
