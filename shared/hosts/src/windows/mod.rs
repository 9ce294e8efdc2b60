//! Windows services: a lifecycle under the service control manager, and the installation there.

// The logic that needs no Windows is tested everywhere.
#[cfg(windows)]
mod error;
#[cfg(windows)]
mod manager;
mod patience;
mod progress;
#[cfg(windows)]
mod service;

#[cfg(windows)]
pub use self::{
    error::ServiceError,
    manager::{Installation, ServiceProgress, install, start, stop, uninstall},
    service::WindowsService,
};
