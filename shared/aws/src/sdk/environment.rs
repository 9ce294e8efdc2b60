//! Configuration in Lambda: environment variables only. AWS's default provider chain would add profile parsers and
//! clients of three more services to every bootstrap.

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_types::SdkConfig;
use lamplighter::backend::StoreError;

use super::{base, variable};

pub(super) fn load() -> Result<SdkConfig, StoreError> {
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let mut config = base(region, variable("AWS_ENDPOINT_URL"))?;
    config.set_credentials_provider(Some(SharedCredentialsProvider::new(EnvironmentCredentials)));
    Ok(config.build())
}

/// Reads the credentials whenever the SDK needs them.
#[derive(Debug)]
struct EnvironmentCredentials;

impl ProvideCredentials for EnvironmentCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let credentials = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => {
                Ok(Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "environment"))
            }
            _ => Err(CredentialsError::not_loaded("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")),
        };
        future::ProvideCredentials::ready(credentials)
    }
}
