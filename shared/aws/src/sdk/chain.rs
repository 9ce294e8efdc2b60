//! Configuration as the AWS command line finds it, with a quick answer when there is none.

use std::time::Duration;

use aws_config::{
    BehaviorVersion, Region, default_provider::credentials::DefaultCredentialsChain,
    environment::EnvironmentVariableRegionProvider, imds, meta::region::RegionProviderChain,
    profile::ProfileFileRegionProvider, provider_config::ProviderConfig,
};
use aws_types::SdkConfig;
use lamplighter::backend::{StoreError, StoreErrorKind};

use super::{EMULATED_REGION, http_client, no_region, retries, timeouts, variable};

/// The time limit of instance metadata: it is one hop away, or absent.
const IMDS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) async fn load(region: Option<String>, endpoint: Option<String>) -> Result<SdkConfig, StoreError> {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS"] {
        if std::env::var_os(name).is_some() && variable(name).is_none() {
            let text = format!("{name} is set, but empty: unset it, or set it to an address");
            return Err(StoreError::new(StoreErrorKind::Invalid, text));
        }
    }
    let plain = endpoint.clone().or_else(|| variable("AWS_ENDPOINT_URL"));
    let http = http_client(plain.as_deref())?;
    let provider_config = ProviderConfig::without_region().with_http_client(http.clone());
    let region = match region {
        Some(region) => Some(Region::new(region)),
        None => {
            RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
                .or_else(ProfileFileRegionProvider::builder().configure(&provider_config).build())
                .region()
                .await
        }
    };
    let emulated = endpoint.is_some() || variable("AWS_ENDPOINT_URL").is_some();
    let region = region.or_else(|| emulated.then(|| Region::from_static(EMULATED_REGION))).ok_or_else(no_region)?;
    let provider_config = provider_config.with_region(Some(region.clone()));
    let imds = imds::Client::builder()
        .configure(&provider_config)
        .max_attempts(1)
        .connect_timeout(IMDS_TIMEOUT)
        .read_timeout(IMDS_TIMEOUT)
        .build();
    let credentials = DefaultCredentialsChain::builder()
        .configure(provider_config)
        .region(region.clone())
        .imds_client(imds)
        .build()
        .await;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(credentials)
        .http_client(http)
        .retry_config(retries())
        .timeout_config(timeouts());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
}
