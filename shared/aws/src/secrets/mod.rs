//! Secrets that are kept in Secrets Manager or in Systems Manager's Parameter Store.

mod arn;

use std::{fmt, sync::Arc};

use lamplighter::backend::{StoreError, StoreErrorKind};
use tokio::sync::OnceCell;

use self::arn::Service;
pub use self::arn::{InvalidSecretArn, SecretArn};
use crate::sdk::{AwsClients, explain};

/// Reads secrets by their ARNs, from any region. Every call asks AWS, so cache a secret that you need often. Cloning is
/// cheap, and clones share their clients, which are created at first use.
///
/// A role needs `secretsmanager:GetSecretValue` or `ssm:GetParameter` on the ARN; and `kms:Decrypt` on the key, if the
/// key is the account's own (AWS Secrets Manager User Guide, "Secret encryption and decryption"; AWS Systems Manager
/// User Guide, "AWS KMS encryption for AWS Systems Manager Parameter Store SecureString parameters").
#[derive(Clone)]
pub struct SecretReader(Arc<Inner>);

struct Inner {
    sdk: AwsClients,
    secrets: OnceCell<aws_sdk_secretsmanager::Client>,
    parameters: OnceCell<aws_sdk_ssm::Client>,
}

impl SecretReader {
    /// Reads secrets through this SDK.
    #[must_use]
    pub fn new(sdk: AwsClients) -> Self {
        Self(Arc::new(Inner { sdk, secrets: OnceCell::new(), parameters: OnceCell::new() }))
    }

    /// The current text of a secret: the version `AWSCURRENT` in Secrets Manager, the latest one in Parameter Store,
    /// decrypted.
    ///
    /// # Errors
    /// When AWS does not answer, refuses, or has no text for that ARN. No error contains a part of the secret.
    pub async fn read(&self, arn: &SecretArn) -> Result<String, StoreError> {
        let found = match arn.service() {
            Service::SecretsManager => self.secret(arn).await?,
            Service::ParameterStore => self.parameter(arn).await?,
        };
        found.ok_or_else(|| {
            StoreError::new(StoreErrorKind::Invalid, format_args!("{arn} holds no text; keep the secret as text"))
        })
    }

    async fn secret(&self, arn: &SecretArn) -> Result<Option<String>, StoreError> {
        use aws_sdk_secretsmanager::{Client, config};
        let make = || async {
            let mut own = config::Builder::from(self.0.sdk.config().await?);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_SECRETS_MANAGER") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok::<_, StoreError>(Client::from_conf(own.build()))
        };
        let there = config::Config::builder().region(config::Region::new(arn.region().to_owned()));
        let asked = self.0.secrets.get_or_try_init(make).await?.get_secret_value().secret_id(arn.as_str());
        let answer = asked.customize().config_override(there).send().await;
        let found = answer.map_err(|error| explain(&error, &doing(arn)))?;
        Ok(found.secret_string)
    }

    async fn parameter(&self, arn: &SecretArn) -> Result<Option<String>, StoreError> {
        use aws_sdk_ssm::{Client, config};
        let make = || async {
            let mut own = config::Builder::from(self.0.sdk.config().await?);
            if let Some(endpoint) = self.0.sdk.endpoint_of("AWS_ENDPOINT_URL_SSM") {
                own.set_endpoint_url(Some(endpoint));
            }
            Ok::<_, StoreError>(Client::from_conf(own.build()))
        };
        let there = config::Config::builder().region(config::Region::new(arn.region().to_owned()));
        let asked = self.0.parameters.get_or_try_init(make).await?.get_parameter().name(arn.as_str());
        let answer = asked.with_decryption(true).customize().config_override(there).send().await;
        let found = answer.map_err(|error| explain(&error, &doing(arn)))?;
        Ok(found.parameter.and_then(|parameter| parameter.value))
    }
}

fn doing(arn: &SecretArn) -> String {
    format!("read the secret {arn}")
}

impl fmt::Debug for SecretReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretReader").finish_non_exhaustive()
    }
}
