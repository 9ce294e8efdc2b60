//! What people do to a deployment's queues.

use std::{fmt, sync::Arc};

use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::{StreamExt, stream};
use lamplighter::{
    backend::{StoreError, StoreErrorKind},
    env::Env,
};
use tokio::sync::OnceCell;

use crate::{
    mapping::MappingState,
    queues::{QueueMap, QueueUrls},
    sdk::{AwsClients, explain},
    sqs::Sqs,
};

/// What people do to a deployment's queues: look at them, pause and resume them, move their dead letters back. Queues
/// go by the names that definitions use. Cloning is cheap; all clients are made at first use.
#[derive(Clone)]
pub struct Operator(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    queues: QueueMap,
    env: Env,
    sqs: Sqs,
    lambda: OnceCell<aws_sdk_lambda::Client>,
}

/// How a queue stands. SQS counts its messages approximately (Amazon SQS API Reference, GetQueueAttributes).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeployedQueue {
    /// The queue.
    pub queue: String,
    /// Whether it keeps its groups' order.
    pub fifo: bool,
    /// Whether its function takes messages.
    pub mapping: MappingState,
    /// Messages that wait for nothing but their turn.
    pub waiting: u64,
    /// Messages in flight: jobs that run, and failed ones that wait for their next attempt.
    pub in_flight: u64,
    /// Messages whose delay has not ended.
    pub delayed: u64,
    /// Its dead letters that are not in flight; `None` when it has no dead-letter queue.
    pub dead_letters: Option<u64>,
}

/// Queues that are asked about at once.
const AT_ONCE: usize = 8;

/// What SQS says of a queue.
#[derive(Debug, Clone)]
pub(crate) struct Attributes {
    pub(crate) arn: String,
    pub(crate) waiting: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
}

impl Operator {
    /// For these queues, through this SDK.
    #[must_use]
    pub fn new(sdk: AwsClients, queues: QueueMap) -> Self {
        Self::with_env(sdk, queues, Env::system())
    }

    /// [`new`](Self::new), with the clock that tells how old dead letters are.
    #[must_use]
    pub fn with_env(sdk: AwsClients, queues: QueueMap, env: Env) -> Self {
        let sqs = Sqs::with_env(sdk.clone(), queues.clone(), env.clone());
        Self(Arc::new(Inner { sdk, queues, env, sqs, lambda: OnceCell::new() }))
    }

    /// How all queues stand, by name: for each, two calls of GetQueueAttributes and one of ListEventSourceMappings.
    ///
    /// # Errors
    /// When SQS or Lambda cannot be asked.
    pub async fn queues(&self) -> Result<Vec<DeployedQueue>, StoreError> {
        let names: Vec<_> = self.0.queues.iter().map(|(name, _)| name).collect();
        let looks = names.into_iter().map(|name| self.look(name)).collect::<Vec<_>>();
        let all: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        all.into_iter().collect()
    }

    async fn look(&self, name: &str) -> Result<DeployedQueue, StoreError> {
        let queue = self.urls(name)?;
        let Attributes { arn, waiting, in_flight, delayed } = self.attributes(&queue.url).await?;
        let mapping = self.state_of(&arn).await?;
        let dead_letters = match self.dead_letter_url(&arn).await {
            Ok(url) => Some(self.attributes(&url).await?.waiting),
            Err(error) if error.kind() == StoreErrorKind::Invalid => None,
            Err(error) => return Err(error),
        };
        let (queue, fifo) = (name.to_owned(), queue.is_fifo());
        Ok(DeployedQueue { queue, fifo, mapping, waiting, in_flight, delayed, dead_letters })
    }

    pub(crate) fn env(&self) -> &Env {
        &self.0.env
    }

    /// Where the queue of that name is.
    pub(crate) fn urls(&self, name: &str) -> Result<&QueueUrls, StoreError> {
        self.0.queues.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.queues.iter().map(|(name, _)| name).collect();
            let text = match known.is_empty() {
                true => format!("there is no queue {name:?} here, nor any other"),
                false => format!("there is no queue {name:?} here; there are {}", known.join(", ")),
            };
            StoreError::new(StoreErrorKind::Invalid, text)
        })
    }

    /// Where dead letters of the queue of that ARN lie.
    pub(crate) async fn dead_letter_url(&self, arn: &str) -> Result<String, StoreError> {
        self.0.sqs.dead_letter_url(arn).await
    }

    pub(crate) async fn attributes(&self, url: &str) -> Result<Attributes, StoreError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight, QueueArn as Arn,
        };
        let asked = self.sqs_client().await?.get_queue_attributes().queue_url(url);
        let asked = asked.set_attribute_names(Some(vec![Arn, Waiting, InFlight, Delayed])).send().await;
        let answer = asked.map_err(|error| explain(&error, &format!("read the attributes of {url}")))?;
        let mut all = answer.attributes.unwrap_or_default();
        let arn = all.remove(&Arn).filter(|arn| !arn.is_empty()).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Invalid, format_args!("SQS does not tell the ARN of {url}"))
        })?;
        let mut count = |name| all.remove(&name).and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok(Attributes { arn, waiting: count(Waiting), in_flight: count(InFlight), delayed: count(Delayed) })
    }

    pub(crate) fn sqs(&self) -> &Sqs {
        &self.0.sqs
    }

    pub(crate) async fn sqs_client(&self) -> Result<&aws_sdk_sqs::Client, StoreError> {
        self.0.sqs.client().await
    }

    pub(crate) async fn lambda(&self) -> Result<&aws_sdk_lambda::Client, StoreError> {
        let make = || async {
            let mut own = aws_sdk_lambda::config::Builder::from(self.0.sdk.config().await?);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_LAMBDA") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(aws_sdk_lambda::Client::from_conf(own.build()))
        };
        self.0.lambda.get_or_try_init(make).await
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").field("queues", &self.0.queues).finish_non_exhaustive()
    }
}
