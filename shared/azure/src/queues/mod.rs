//! Azure Storage queues: sending jobs, and dead letters.

mod body;
mod dead_letter;
mod error;
mod send;
mod service;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use azure_core::http::ClientOptions;
use azure_storage_queue::QueueClient;
use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    env::Env,
};

#[cfg(feature = "handler")]
pub(crate) use self::dead_letter::{DeadMessage, body_before_death};
use self::service::QueueService;
pub use self::service::QueueServiceError;
use crate::contract::QUEUE_SERVICE_VARIABLE;

/// Sends jobs to Azure Storage queues. Cloning is cheap, and clones share one HTTP client, which is created at first
/// use.
///
/// A job is one message: the JSON of the [message](lamplighter::message::Message), as base64, which the queue trigger
/// of the Functions host expects. It never expires by itself.
#[derive(Clone)]
pub struct AzureQueues(Arc<Inner>);

struct Inner {
    service: QueueService,
    env: Env,
    options: OnceLock<ClientOptions>,
    clients: Mutex<HashMap<String, Arc<QueueClient>>>,
}

impl AzureQueues {
    /// The environment variable with the address of the queue service.
    pub const VARIABLE: &'static str = QUEUE_SERVICE_VARIABLE;

    /// Connects to the queue service in [`VARIABLE`](Self::VARIABLE); see [`new`](Self::new).
    ///
    /// # Errors
    /// When it is not set, or is not the address of a queue service.
    pub fn from_env() -> Result<Self, QueueServiceError> {
        let address = std::env::var(Self::VARIABLE).unwrap_or_default();
        Self::new(&address)
    }

    /// Connects to the queue service at this address: `https://ACCOUNT.queue.core.windows.net`, used with the managed
    /// identity of the machine; or the same followed by a shared access signature (`?sv=…&sig=…`), which needs no
    /// identity. Account keys are not accepted: they open everything in the account.
    ///
    /// # Errors
    /// When it is not such an address.
    pub fn new(address: &str) -> Result<Self, QueueServiceError> {
        Self::with_env(address, Env::system())
    }

    /// Like [`new`](Self::new), with the clock by which delays are counted.
    ///
    /// # Errors
    /// Like [`new`](Self::new).
    pub fn with_env(address: &str, env: Env) -> Result<Self, QueueServiceError> {
        let service = QueueService::parse(address)?;
        Ok(Self(Arc::new(Inner { service, env, options: OnceLock::new(), clients: Mutex::default() })))
    }

    /// Returns the client of a queue, by the queue's name on Azure.
    fn client(&self, queue: &str) -> Result<Arc<QueueClient>, StoreError> {
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(queue) {
            return Ok(client.clone());
        }
        let options = match self.0.options.get() {
            Some(options) => options.clone(),
            None => {
                let options = service::client_options()?;
                self.0.options.get_or_init(|| options).clone()
            }
        };
        let client = self.0.service.queue(queue, options).map(Arc::new).map_err(|error| {
            StoreError::new(
                StoreErrorKind::Invalid,
                format_args!("no client for queue {queue:?}: {}", error::cause(&error)),
            )
        })?;
        clients.insert(queue.to_owned(), client.clone());
        Ok(client)
    }
}

/// Omits the address, which may hold a signature.
impl fmt::Debug for AzureQueues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureQueues").finish_non_exhaustive()
    }
}
