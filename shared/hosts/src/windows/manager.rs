//! Installing a service, removing it, starting and stopping it.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use windows_service::{
    service::{
        Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
        ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState, ServiceStatus,
        ServiceType,
    },
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::Win32::Foundation::ERROR_INVALID_LEVEL;

use super::{error::ServiceError, patience::Patience};

/// A service that fails is started again after these times; the last one counts for all further failures.
const RESTARTS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
/// A service that has not failed for this long is like new.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60 * 60);

/// A service to install.
#[derive(Clone)]
pub struct Installation {
    /// Its name: at most 256 characters, without `/` and `\`.
    pub name: String,
    /// The name that people see.
    pub display_name: String,
    /// What it does, for people.
    pub description: String,
    /// The program.
    pub program: PathBuf,
    /// The program's arguments, as the program is to see them: they are quoted as needed. Everyone on the machine can read
    /// them.
    pub arguments: Vec<OsString>,
    /// The account that it runs as; `NT SERVICE\` and its name is a virtual account, which has no password and no rights
    /// that were not given to it.
    pub account: String,
    /// The account's password, for those that have one.
    pub password: Option<String>,
    /// How long the system waits for the service when it shuts down; 10 seconds on current versions of Windows where
    /// nothing is said, and at most 49 days.
    pub preshutdown: Duration,
    /// Whether it starts with the system, a little after what the system itself needs.
    pub starts_with_system: bool,
}

/// Without the password.
impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, program, account, preshutdown, .. } = self;
        f.debug_struct("Installation")
            .field("name", name)
            .field("program", program)
            .field("account", account)
            .field("preshutdown", preshutdown)
            .finish_non_exhaustive()
    }
}

/// How far a service is that starts or stops, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceProgress {
    state: ServiceState,
    checkpoint: u32,
    wait_hint: Duration,
}

impl ServiceProgress {
    fn of(status: &ServiceStatus) -> Self {
        Self { state: status.current_state, checkpoint: status.checkpoint, wait_hint: status.wait_hint }
    }
}

impl fmt::Display for ServiceProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            ServiceState::Stopped => return f.write_str("stopped"),
            ServiceState::Running => return f.write_str("running"),
            ServiceState::Paused => return f.write_str("paused"),
            ServiceState::StartPending => "start pending",
            ServiceState::StopPending => "stop pending",
            ServiceState::ContinuePending => "continue pending",
            ServiceState::PausePending => "pause pending",
        };
        write!(f, "{state}, checkpoint {}, the next within {} s", self.checkpoint, self.wait_hint.as_secs())
    }
}

/// Installs a service. It is restarted when it fails: when its process ends without a word, or with an exit code other than 0.
///
/// # Errors
/// When there is such a service already, for those who are not administrators, and for accounts that do not exist.
pub fn install(installation: &Installation) -> Result<(), ServiceError> {
    let name = installation.name.as_str();
    let wrong = |error| ServiceError::of(name, error);
    let info = ServiceInfo {
        name: name.into(),
        display_name: installation.display_name.clone().into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: if installation.starts_with_system {
            ServiceStartType::AutoStart
        } else {
            ServiceStartType::OnDemand
        },
        error_control: ServiceErrorControl::Normal,
        executable_path: installation.program.clone(),
        launch_arguments: installation.arguments.clone(),
        dependencies: Vec::new(),
        account_name: Some(installation.account.clone().into()),
        account_password: installation.password.clone().map(Into::into),
    };
    // To restart a service, the right to start it is needed (Microsoft Learn, "ChangeServiceConfig2").
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::DELETE;
    let service = manager(name, ServiceManagerAccess::CREATE_SERVICE)?.create_service(&info, access).map_err(wrong)?;
    configure(&service, installation).map_err(|error| {
        // Half an installation would be taken for one.
        let _ = service.delete();
        wrong(error)
    })
}

fn configure(service: &Service, installation: &Installation) -> windows_service::Result<()> {
    service.set_description(&installation.description)?;
    if installation.starts_with_system {
        service.set_delayed_auto_start(true)?;
    }
    // The system counts in 32 bits of milliseconds, and the library panics beyond that.
    service.set_preshutdown_timeout(installation.preshutdown.min(Duration::from_millis(u32::MAX.into())))?;
    let restart = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGIVEN_AFTER),
        reboot_msg: None,
        command: None,
        actions: Some(RESTARTS.map(restart).into()),
    })?;
    match service.set_failure_actions_on_non_crash_failures(true) {
        // wine does not know this; every Windows since Vista does.
        Err(windows_service::Error::Winapi(error))
            if error.raw_os_error() == i32::try_from(ERROR_INVALID_LEVEL).ok() =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

/// Stops a service if it runs, as [`stop`] does, and removes it.
///
/// # Errors
/// When there is no such service, for those who are not administrators, and when it does not stop.
pub fn uninstall(name: &str, progress: impl FnMut(ServiceProgress)) -> Result<(), ServiceError> {
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let service = open(name, access)?;
    match end(name, &service, progress) {
        Ok(()) | Err(ServiceError::NotRunning(_)) => {}
        Err(error) => return Err(error),
    }
    service.delete().map_err(|error| ServiceError::of(name, error))
}

/// Starts a service, and waits until it runs.
///
/// # Errors
/// When there is no such service, when it runs already, and when it ends instead of running.
pub fn start(name: &str, progress: impl FnMut(ServiceProgress)) -> Result<(), ServiceError> {
    let service = open(name, ServiceAccess::QUERY_STATUS | ServiceAccess::START)?;
    service.start::<&OsStr>(&[]).map_err(|error| ServiceError::of(name, error))?;
    let reached = wait(name, &service, |state| state != ServiceState::StartPending, progress)?;
    match reached.current_state {
        ServiceState::Stopped => {
            let (ServiceExitCode::Win32(code) | ServiceExitCode::ServiceSpecific(code)) = reached.exit_code;
            Err(ServiceError::Ended { name: name.to_owned(), code })
        }
        _ => Ok(()),
    }
}

/// Stops a service, and waits until it has, as long as it shows progress.
///
/// # Errors
/// When there is no such service, when it does not run, and when it shows no progress.
pub fn stop(name: &str, progress: impl FnMut(ServiceProgress)) -> Result<(), ServiceError> {
    let service = open(name, ServiceAccess::QUERY_STATUS | ServiceAccess::STOP)?;
    end(name, &service, progress)
}

fn end(name: &str, service: &Service, progress: impl FnMut(ServiceProgress)) -> Result<(), ServiceError> {
    let wrong = |error| ServiceError::of(name, error);
    match service.query_status().map_err(wrong)?.current_state {
        ServiceState::Stopped => return Err(ServiceError::NotRunning(name.to_owned())),
        // Somebody else has asked for it.
        ServiceState::StopPending => {}
        _ => drop(service.stop().map_err(wrong)?),
    }
    wait(name, service, |state| state == ServiceState::Stopped, progress).map(drop)
}

/// Waits for a state, as long as the service shows progress.
fn wait(
    name: &str,
    service: &Service,
    is_reached: impl Fn(ServiceState) -> bool,
    mut progress: impl FnMut(ServiceProgress),
) -> Result<ServiceStatus, ServiceError> {
    let began = Instant::now();
    let mut patience = Patience::default();
    let mut told = None;
    loop {
        let status = service.query_status().map_err(|error| ServiceError::of(name, error))?;
        let now = ServiceProgress::of(&status);
        if told.replace(now) != Some(now) {
            progress(now);
        }
        if is_reached(status.current_state) {
            return Ok(status);
        }
        match patience.pause(status.checkpoint, status.wait_hint, began.elapsed()) {
            Some(pause) => thread::sleep(pause),
            None => return Err(ServiceError::Hung(name.to_owned())),
        }
    }
}

fn open(name: &str, access: ServiceAccess) -> Result<Service, ServiceError> {
    manager(name, ServiceManagerAccess::CONNECT)?
        .open_service(name, access)
        .map_err(|error| ServiceError::of(name, error))
}

fn manager(name: &str, access: ServiceManagerAccess) -> Result<ServiceManager, ServiceError> {
    ServiceManager::local_computer(None::<&OsStr>, access).map_err(|error| ServiceError::of(name, error))
}
