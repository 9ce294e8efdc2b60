//! Lifecycle events on an EventBridge bus.

use async_trait::async_trait;
use aws_sdk_eventbridge::{Client, config, types::PutEventsRequestEntry};
use lamplighter::backend::{Event, Events, StoreError, StoreErrorKind};
use tokio::sync::OnceCell;

use crate::sdk::{AwsClients, explain};

/// Entries of one PutEvents (Amazon EventBridge API Reference, "PutEvents").
const BATCH: usize = 10;

/// The event bus for subscribers. Events have the source `lamplighter`, and the detail type `job.failed` or
/// `job.succeeded`.
pub(crate) struct Bus {
    sdk: AwsClients,
    client: OnceCell<Client>,
    name: String,
}

/// The `source` of the events.
const SOURCE: &str = "lamplighter";

impl Bus {
    /// The bus with that name or ARN.
    pub(crate) fn new(sdk: AwsClients, name: impl Into<String>) -> Self {
        Self { sdk, client: OnceCell::new(), name: name.into() }
    }

    async fn client(&self) -> Result<&Client, StoreError> {
        let make = || async {
            let mut own = config::Builder::from(self.sdk.config().await?);
            if let Some(endpoint) = self.sdk.endpoint_of("AWS_ENDPOINT_URL_EVENTBRIDGE") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(Client::from_conf(own.build()))
        };
        self.client.get_or_try_init(make).await
    }

    fn entry(&self, event: &Event) -> Result<PutEventsRequestEntry, StoreError> {
        let detail = serde_json::to_string(event).map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
        let entry = PutEventsRequestEntry::builder().event_bus_name(&self.name).source(SOURCE);
        Ok(entry.detail_type(event.kind()).detail(detail).build())
    }

    /// Publishes events. Returns the indices of those that were refused, with the first error.
    async fn put(&self, entries: &[PutEventsRequestEntry]) -> Result<(Vec<usize>, String), StoreError> {
        let put = self.client().await?.put_events().set_entries(Some(entries.to_vec())).send().await;
        let answer = put.map_err(|error| explain(&error, &format!("publish events on bus {}", self.name)))?;
        let answers = answer.entries.unwrap_or_default();
        let failed: Vec<_> = (0..entries.len())
            .filter(|index| answers.get(*index).is_none_or(|entry| entry.event_id().is_none()))
            .collect();
        let error =
            answers.iter().find_map(|entry| Some(format!("{}: {}", entry.error_code()?, entry.error_message()?)));
        Ok((failed, error.unwrap_or_else(|| "no answer".into())))
    }
}

#[async_trait]
impl Events for Bus {
    async fn publish(&self, events: Vec<Event>) -> Result<(), StoreError> {
        let entries = events.iter().map(|event| self.entry(event)).collect::<Result<Vec<_>, _>>()?;
        for batch in entries.chunks(BATCH) {
            let (failed, _) = self.put(batch).await?;
            if failed.is_empty() {
                continue;
            }
            // A successful call may still refuse single events.
            let again: Vec<_> = failed.into_iter().map(|index| batch[index].clone()).collect();
            let (failed, error) = self.put(&again).await?;
            if !failed.is_empty() {
                let text = format_args!("bus {} refused {} events: {error}", self.name, failed.len());
                return Err(StoreError::unavailable(text));
            }
        }
        Ok(())
    }
}
