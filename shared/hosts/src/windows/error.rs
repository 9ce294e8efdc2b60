//! What can go wrong between a service and the service manager.

use std::io;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DUPLICATE_SERVICE_NAME, ERROR_FAILED_SERVICE_CONTROLLER_CONNECT, ERROR_INVALID_NAME,
    ERROR_INVALID_SERVICE_ACCOUNT, ERROR_SERVICE_ALREADY_RUNNING, ERROR_SERVICE_CANNOT_ACCEPT_CTRL,
    ERROR_SERVICE_DISABLED, ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_EXISTS, ERROR_SERVICE_LOGON_FAILED,
    ERROR_SERVICE_MARKED_FOR_DELETE, ERROR_SERVICE_NOT_ACTIVE, ERROR_SERVICE_REQUEST_TIMEOUT,
};
use windows_sys::Win32::System::Rpc::RPC_S_SERVER_UNAVAILABLE;

/// Why the service manager did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Only administrators may.
    #[error("the service manager refuses access; run this in a terminal that was opened as administrator")]
    Denied,
    /// There is no service manager, or it does not answer.
    #[error("the service manager does not answer; check that this is Windows with its services running")]
    NoManager,
    /// There is no such service.
    #[error("there is no service {0:?}; `sc query state= all` lists those that there are, and install makes one")]
    NotInstalled(String),
    /// There is one already.
    #[error("there is a service {0:?} already; uninstall it first, or choose another name")]
    Installed(String),
    /// Another service has its display name.
    #[error("another service has the display name of {0:?}; choose another one")]
    DisplayName(String),
    /// It is to be removed, and somebody still holds it.
    #[error("the service {0:?} is being removed; close programs that show services, and try again")]
    BeingRemoved(String),
    /// It runs already.
    #[error("the service {0:?} runs already; stop it first to start it anew")]
    Running(String),
    /// It does not run.
    #[error("the service {0:?} does not run")]
    NotRunning(String),
    /// It is starting or stopping, and takes no requests meanwhile.
    #[error("the service {0:?} is starting or stopping; try again when it has")]
    Busy(String),
    /// It is disabled.
    #[error("the service {0:?} is disabled; enable it with `sc config {0} start= auto`")]
    Disabled(String),
    /// It cannot have that name.
    #[error("{0:?} cannot name a service: at most 256 characters, without / and \\")]
    Name(String),
    /// Its account does not exist, or needs its password.
    #[error("the service {0:?} cannot run as that account; check its name and its password")]
    Account(String),
    /// The service manager cannot log on as its account.
    #[error(
        "the service {0:?} cannot log on as its account; check the password, and the account's right to log on as a service"
    )]
    LogOn(String),
    /// It was started, and ended or did not answer.
    #[error("the service {name:?} was started and ended with code {code}; its log says why")]
    Ended {
        /// Its name.
        name: String,
        /// The code with which it ended.
        code: u32,
    },
    /// It neither starts nor stops nor shows progress.
    #[error("the service {0:?} shows no progress; look at its log, and end its process if need be")]
    Hung(String),
    /// The process was not started by the service manager.
    #[error("this process was not started as the service {0:?}; install it, and start it")]
    NotAService(String),
    /// Anything else that the system says.
    #[error("the service {name:?} cannot be used: {source}")]
    System {
        /// Its name.
        name: String,
        /// The cause.
        source: io::Error,
    },
}

impl ServiceError {
    /// What an error of the library means for the service of that name.
    pub(super) fn of(name: &str, error: windows_service::Error) -> Self {
        let name = name.to_owned();
        let source = match error {
            windows_service::Error::Winapi(source) => source,
            other => return Self::System { name, source: io::Error::other(other) },
        };
        if source.raw_os_error() == Some(RPC_S_SERVER_UNAVAILABLE) {
            return Self::NoManager;
        }
        match source.raw_os_error().and_then(|code| u32::try_from(code).ok()) {
            Some(ERROR_ACCESS_DENIED) => Self::Denied,
            Some(ERROR_SERVICE_DOES_NOT_EXIST) => Self::NotInstalled(name),
            Some(ERROR_SERVICE_EXISTS) => Self::Installed(name),
            Some(ERROR_DUPLICATE_SERVICE_NAME) => Self::DisplayName(name),
            Some(ERROR_SERVICE_MARKED_FOR_DELETE) => Self::BeingRemoved(name),
            Some(ERROR_SERVICE_ALREADY_RUNNING) => Self::Running(name),
            Some(ERROR_SERVICE_NOT_ACTIVE) => Self::NotRunning(name),
            Some(ERROR_SERVICE_CANNOT_ACCEPT_CTRL) => Self::Busy(name),
            Some(ERROR_SERVICE_DISABLED) => Self::Disabled(name),
            Some(ERROR_INVALID_NAME) => Self::Name(name),
            Some(ERROR_INVALID_SERVICE_ACCOUNT) => Self::Account(name),
            Some(ERROR_SERVICE_LOGON_FAILED) => Self::LogOn(name),
            Some(ERROR_SERVICE_REQUEST_TIMEOUT) => Self::Hung(name),
            Some(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) => Self::NotAService(name),
            _ => Self::System { name, source },
        }
    }
}
