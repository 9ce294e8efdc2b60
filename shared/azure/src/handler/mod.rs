//! The custom handler: a web server on this machine, to which the Functions host sends messages and timers.
//!
//! | request | effect | answer |
//! | --- | --- | --- |
//! | `GET /` | none | 200: the handler is ready |
//! | `POST /queue-…` | runs the message's job | 200: the message's fate is written down, and the host deletes it; 500: the host delivers it again |
//! | `POST /timer-…` | enqueues the job of the schedule's tick | 200; 500: the host triggers it again |
//!
//! A job to be retried is sent as a new message, hidden for the delay, with the same id and its attempts; then the old
//! message is done. A dead letter is sent to the poison queue with its reason. When that cannot be sent, the answer is
//! 500, and the host still has the message.
//!
//! The server answers each request before the host's time-out, even if handlers block: they run on threads of their
//! own. When none of those threads makes progress any more, they are abandoned and replaced.

mod copy;
mod error;
mod logging;
mod message;
mod request;
mod server;
mod threads;
mod timer;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use lamplighter::{App, Overlap, Variables, backend::Store, env::Env, host::Stop};

pub use self::error::Error;
use self::server::Server;
use crate::{
    AzureQueues,
    contract::{function_problems, schedule_name_problem},
};

/// The environment variable with the port at which the host expects the handler.
const PORT_VARIABLE: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

/// Serves an app's functions, without records, until the host ends the process: the `main` of a custom handler.
///
/// The queue service is the one in [`LAMPLIGHTER_QUEUE_SERVICE`](AzureQueues::VARIABLE). Logs go to standard output, at
/// the level of `RUST_LOG`; the default is `info`.
///
/// # Errors
/// When the process was not started by the Functions host, when the app has contradictory settings or uses features
/// that Azure does not have, when the queue service's address is not valid, or when the port is in use.
pub async fn run(app: &App) -> Result<(), Error> {
    logging::init();
    Handler::from_env(app)?.run(&Stop::new()).await
}

/// A custom handler for an app's functions and schedules.
#[derive(Clone)]
pub struct Handler {
    app: App,
    queues: AzureQueues,
    address: SocketAddr,
    store: Option<Arc<dyn Store>>,
    env: Env,
}

impl Handler {
    /// Creates the handler that the Functions host expects, from the environment variables of the process.
    ///
    /// # Errors
    /// When the process was not started by the Functions host, or the queue service's address is not valid.
    pub fn from_env(app: &App) -> Result<Self, Error> {
        let port = std::env::var(PORT_VARIABLE).map_err(|_| Error::NotInFunctions { variable: PORT_VARIABLE })?;
        let port: u16 = port.trim().parse().map_err(|_| Error::Port { variable: PORT_VARIABLE })?;
        Ok(Self::new(app, AzureQueues::from_env()?, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
    }

    /// Creates a handler that listens on this address, and sends to these queues.
    #[must_use]
    pub fn new(app: &App, queues: AzureQueues, address: SocketAddr) -> Self {
        Self { app: app.clone(), queues, address, store: None, env: Env::system() }
    }

    /// Keeps records in this store: attempts are then counted exactly, an id is run by one attempt at a time and to its
    /// end once, and an attempt that has lost its lease changes nothing.
    #[must_use]
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Injects a clock and randomness.
    #[must_use]
    pub fn with_env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Serves until `stop` is set and the invocations in progress are answered. The Functions host gives no notice
    /// before it ends the process: on Azure this serves for ever.
    ///
    /// # Errors
    /// When the app has contradictory settings or uses features that Azure does not have, or when the address is in
    /// use.
    pub async fn run(&self, stop: &Stop) -> Result<(), Error> {
        if cfg!(panic = "abort") {
            return Err(Error::PanicsAbort);
        }
        self.check()?;
        Server::new(self, stop)?.run(self.address, stop).await
    }

    /// Refuses apps that cannot run here.
    fn check(&self) -> Result<(), Error> {
        let mut problems = Vec::new();
        for function in self.app.functions(&Variables::system()) {
            problems.extend(function.problems());
            problems.extend(function_problems(&function));
            for route in function.routes() {
                if self.store.is_none() && route.options.overlap != Overlap::Allow {
                    problems.push(format!(
                        "{} has an overlap policy, for which records are needed; give the handler a store, or remove the policy",
                        route.job
                    ));
                }
            }
        }
        problems.extend(self.app.schedules.iter().filter_map(|each| schedule_name_problem(&each.schedule.name)));
        if problems.is_empty() { Ok(()) } else { Err(Error::App(problems.join("; "))) }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("app", &self.app.name).field("address", &self.address).finish_non_exhaustive()
    }
}
