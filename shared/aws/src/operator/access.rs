//! An operator's access to a deployment.

use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_sqs::types::QueueAttributeName;
use lamplighter::{
    backend::{Store, StoreError, StoreErrorKind},
    env::Env,
};
use tokio::sync::OnceCell;

use crate::{
    queues::{QueueMap, QueueUrls},
    sdk::explain,
    sqs::Sqs,
};

/// The queues of a deployment, the store of its records, and the clients for both SQS and Lambda, created at first use.
pub(super) struct Access {
    pub(super) sqs: Sqs,
    pub(super) store: Option<Arc<dyn Store>>,
    /// The time limit for switching an event source mapping.
    pub(super) switch_limit: Duration,
    lambda: OnceCell<aws_sdk_lambda::Client>,
    #[cfg(feature = "rollups")]
    pub(super) metrics: super::metrics::Metrics,
}

/// The attributes of a queue.
#[derive(Debug, Clone)]
pub(super) struct Attributes {
    pub(super) arn: String,
    pub(super) waiting: u64,
    pub(super) in_flight: u64,
    pub(super) delayed: u64,
}

impl Access {
    pub(super) fn new(sqs: Sqs, store: Option<Arc<dyn Store>>, switch_limit: Duration) -> Self {
        Self {
            sqs,
            store,
            switch_limit,
            lambda: OnceCell::new(),
            #[cfg(feature = "rollups")]
            metrics: super::metrics::Metrics::default(),
        }
    }

    pub(super) fn queues(&self) -> &QueueMap {
        self.sqs.queues()
    }

    pub(super) fn env(&self) -> &Env {
        self.sqs.env()
    }

    /// Returns the URLs of the queue of that name.
    pub(super) fn urls(&self, name: &str) -> Result<&QueueUrls, StoreError> {
        self.queues().get(name).ok_or_else(|| {
            let known: Vec<_> = self.queues().iter().map(|(name, _)| name).collect();
            let text = match known.is_empty() {
                true => format!("there is no queue {name:?} here, nor any other"),
                false => format!("there is no queue {name:?} here; there are {}", known.join(", ")),
            };
            StoreError::new(StoreErrorKind::Invalid, text)
        })
    }

    /// Returns the ARN of the queue of that name.
    pub(super) async fn arn(&self, name: &str) -> Result<String, StoreError> {
        Ok(self.attributes(&self.urls(name)?.url).await?.arn)
    }

    pub(super) async fn attributes(&self, url: &str) -> Result<Attributes, StoreError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesDelayed as Delayed,
            ApproximateNumberOfMessagesNotVisible as InFlight, QueueArn as Arn,
        };
        let asked = self.sqs.client().await?.get_queue_attributes().queue_url(url);
        let asked = asked.set_attribute_names(Some(vec![Arn, Waiting, InFlight, Delayed])).send().await;
        let answer = asked.map_err(|error| explain(&error, &format!("read the attributes of {url}")))?;
        let mut all = answer.attributes.unwrap_or_default();
        let arn = all.remove(&Arn).filter(|arn| !arn.is_empty()).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Invalid, format_args!("SQS does not tell the ARN of {url}"))
        })?;
        let mut count = |name| all.remove(&name).and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok(Attributes { arn, waiting: count(Waiting), in_flight: count(InFlight), delayed: count(Delayed) })
    }

    pub(super) async fn lambda(&self) -> Result<&aws_sdk_lambda::Client, StoreError> {
        let sdk = self.sqs.sdk();
        let make = || async {
            let mut own = aws_sdk_lambda::config::Builder::from(sdk.config().await?);
            if let Some(endpoint) = sdk.endpoint_of("AWS_ENDPOINT_URL_LAMBDA") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(aws_sdk_lambda::Client::from_conf(own.build()))
        };
        self.lambda.get_or_try_init(make).await
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sqs, store, switch_limit, .. } = self;
        let mut f = f.debug_struct("Access");
        f.field("sqs", sqs).field("tracked", &store.is_some()).field("switch_limit", switch_limit).finish()
    }
}
