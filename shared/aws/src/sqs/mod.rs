//! SQS: sending jobs, and the hosts' operations on received messages.

mod batches;
mod dead_letter;
#[cfg(feature = "dynamodb")]
mod depth;
mod queues;
#[cfg(any(feature = "operator", feature = "poller"))]
mod tags;
mod text;
mod visibility;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_sqs::{Client, config};
use lamplighter::{backend::StoreError, env::Env};
use tokio::sync::OnceCell;

#[cfg(feature = "operator")]
pub(crate) use self::batches::Outgoing;
pub(crate) use self::batches::{CALLS_AT_ONCE, MAX_ENTRIES};
#[cfg(any(feature = "operator", feature = "poller"))]
pub(crate) use self::batches::{Called, Rejection, incomplete, until_answered};
#[cfg(feature = "dynamodb")]
pub(crate) use self::depth::Depth;
#[cfg(any(feature = "operator", feature = "poller"))]
pub(crate) use self::tags::{LOOK, QueueTags};
pub(crate) use self::{
    dead_letter::{Attribute, DeadMessage},
    queues::MAX_DELAY,
    visibility::{MAX_VISIBILITY, Postponed},
};
use crate::{
    queues::{QueueMap, QueueMapError},
    sdk::AwsClients,
};

/// What spans call it: `messaging.system` (OpenTelemetry, "Semantic conventions for AWS SQS").
pub(crate) const MESSAGING_SYSTEM: &str = "aws_sqs";

/// Sends jobs to SQS queues. Cloning is cheap, and clones share one client, which is created at first use.
#[derive(Clone)]
pub struct Sqs(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    client: OnceCell<Client>,
    queues: QueueMap,
    env: Env,
    /// Dead-letter queues that were read from AWS, by the URL of their source queue.
    dead: Mutex<HashMap<String, Arc<OnceCell<Option<String>>>>>,
}

/// Why there is no [`Sqs`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SqsError {
    /// The environment does not name the queues.
    #[error(transparent)]
    Map(#[from] QueueMapError),
    /// The text is not a queue's URL.
    #[error(
        "{0:?} is not a queue's URL; one looks like https://sqs.eu-west-1.amazonaws.com/123456789012/webhooks, and \
         `aws sqs get-queue-url --queue-name NAME` prints it"
    )]
    Url(String),
}

impl Sqs {
    /// Queues as [`QueueMap::VARIABLE`] names them; credentials, region and endpoint from environment variables, as in
    /// a Lambda function. The latter are read at first use.
    ///
    /// # Errors
    /// When the variable is not a map of queues.
    pub fn from_env() -> Result<Self, SqsError> {
        Ok(Self::new(AwsClients::environment(), QueueMap::from_env()?))
    }

    /// One queue, by its URL, for command-line programs. Region and endpoint are those of the URL; credentials, and the
    /// region if the URL has none, are found as the AWS command line finds them.
    ///
    /// # Errors
    /// When it is not a queue's URL.
    #[cfg(feature = "credential-chain")]
    pub fn for_url(queue: &str, url: &str) -> Result<Self, SqsError> {
        if !crate::queues::is_queue_url(url) {
            return Err(SqsError::Url(url.into()));
        }
        let region = crate::queues::region_of(url).map(Into::into);
        Ok(Self::new(AwsClients::chain(region, crate::queues::endpoint_of(url)), QueueMap::single(queue, url)))
    }

    /// Uses these queues, through this SDK.
    #[must_use]
    pub fn new(sdk: AwsClients, queues: QueueMap) -> Self {
        Self::with_env(sdk, queues, Env::system())
    }

    /// Like [`new`](Self::new), with the clock by which delays are counted.
    #[must_use]
    pub fn with_env(sdk: AwsClients, queues: QueueMap, env: Env) -> Self {
        let (client, dead) = Default::default();
        Self(Arc::new(Inner { sdk, client, queues, env, dead }))
    }

    /// The queues it knows.
    #[must_use]
    pub fn queues(&self) -> &QueueMap {
        &self.0.queues
    }

    #[cfg(feature = "operator")]
    pub(crate) fn sdk(&self) -> &AwsClients {
        &self.0.sdk
    }

    #[cfg(feature = "operator")]
    pub(crate) fn env(&self) -> &Env {
        &self.0.env
    }

    pub(crate) async fn client(&self) -> Result<&Client, StoreError> {
        let make = || async {
            let shared = self.0.sdk.config().await?;
            let mut own = config::Builder::from(shared);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_SQS") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(Client::from_conf(own.build()))
        };
        self.0.client.get_or_try_init(make).await
    }

    /// Opens a connection to SQS by a call that changes nothing, which is tried once.
    #[cfg(feature = "dynamodb")]
    pub(crate) async fn connect(&self, url: &str) -> Result<(), StoreError> {
        let once = config::Config::builder().retry_config(config::retry::RetryConfig::disabled());
        let asked = self.client().await?.get_queue_attributes().queue_url(url);
        let asked = asked.attribute_names(aws_sdk_sqs::types::QueueAttributeName::QueueArn);
        let answer = asked.customize().config_override(once).send().await;
        answer.map(|_| ()).map_err(|error| crate::sdk::explain(&error, &format!("read the attributes of {url}")))
    }

    fn dead_cell(&self, url: &str) -> Arc<OnceCell<Option<String>>> {
        let mut dead = self.0.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.entry(url.to_owned()).or_default().clone()
    }
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs").field("queues", &self.0.queues).finish_non_exhaustive()
    }
}
