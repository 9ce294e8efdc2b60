//! The client of EventBridge Scheduler.

use std::sync::Arc;

use aws_sdk_scheduler::{Client, config};
use lamplighter::backend::StoreError;
use tokio::sync::OnceCell;

use super::settings::ScheduleSettings;
use crate::sdk::AwsClients;

/// EventBridge Scheduler, and the group in it. Cloning is cheap, and clones share one client, created at first use.
#[derive(Clone)]
pub(super) struct Scheduler(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    client: OnceCell<Client>,
    settings: ScheduleSettings,
}

impl Scheduler {
    pub(super) fn new(sdk: AwsClients, settings: ScheduleSettings) -> Self {
        Self(Arc::new(Inner { sdk, client: OnceCell::new(), settings }))
    }

    pub(super) fn settings(&self) -> &ScheduleSettings {
        &self.0.settings
    }

    /// The region of a queue without one in its URL.
    pub(super) async fn region(&self) -> Result<String, StoreError> {
        let region = self.0.sdk.config().await?.region();
        Ok(region.map(|region| region.as_ref().to_owned()).unwrap_or_default())
    }

    pub(super) async fn client(&self) -> Result<&Client, StoreError> {
        let make = || async {
            let mut own = config::Builder::from(self.0.sdk.config().await?);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_SCHEDULER") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok(Client::from_conf(own.build()))
        };
        self.0.client.get_or_try_init(make).await
    }
}
