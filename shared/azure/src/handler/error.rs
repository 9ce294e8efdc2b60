//! Why a handler cannot serve.

use std::{fmt, io, net::SocketAddr};

use crate::QueueServiceError;

/// The error of a handler that cannot serve.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process was not started by the Functions host.
    #[error(
        "this program is a custom handler of Azure Functions, which starts it with {variable} set; to run the functions on \
         this machine alone, use `lamp dev`"
    )]
    NotInFunctions {
        /// The variable that is missing.
        variable: &'static str,
    },
    /// The port is not a number.
    #[error("{variable} is not a port; it is a number from 1 to 65535, which the Functions host sets")]
    Port {
        /// The variable.
        variable: &'static str,
    },
    /// The queue service.
    #[error(transparent)]
    QueueService(#[from] QueueServiceError),
    /// The app has contradictory settings, or uses features that Azure does not have.
    #[error("{0}")]
    App(String),
    /// A panic would end all jobs.
    #[error(
        "this program is built with panics that abort, so that one job's panic would end all others; build it with panic = \"unwind\""
    )]
    PanicsAbort,
    /// The address is in use.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refuses to start threads.
    #[error("cannot start threads for handlers: {0}")]
    Threads(io::Error),
    /// The server ended.
    #[error("the web server failed: {0}")]
    Server(io::Error),
}

/// The same as [`Display`](fmt::Display): a `main` that returns the error prints this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
