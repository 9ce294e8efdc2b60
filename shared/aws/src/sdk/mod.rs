//! The common parts of all clients of AWS's SDKs in this process: credentials, region, endpoint, and one HTTP client
//! with one TLS stack. Created at first use, so they cost nothing in a function without calls to AWS.

#[cfg(feature = "credential-chain")]
mod chain;
mod environment;
mod explain;

use std::{fmt, sync::Arc, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_sqs::config::{BehaviorVersion, Region, SharedHttpClient, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_types::SdkConfig;
use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_tls::{Roots, RootsError};
use tokio::sync::OnceCell;

pub(crate) use self::explain::explain;

/// The common parts of all clients of AWS's SDKs in this process, created at first use. Cloning is cheap.
#[derive(Clone)]
pub struct AwsClients(Arc<Inner>);

struct Inner {
    source: Source,
    config: OnceCell<SdkConfig>,
}

enum Source {
    /// As set by Lambda: credentials, region and endpoint are environment variables.
    Environment,
    /// As found by the AWS command line.
    #[cfg(feature = "credential-chain")]
    Chain {
        region: Option<String>,
        endpoint: Option<String>,
    },
    Fixed {
        region: String,
        endpoint: Option<String>,
        credentials: Credentials,
    },
}

/// The region of an endpoint that is not AWS's own and has none: signatures need one.
const EMULATED_REGION: &str = "us-east-1";

impl AwsClients {
    /// Credentials, region and endpoint from the environment variables that Lambda sets (`AWS_ACCESS_KEY_ID` and its
    /// companions, `AWS_REGION`), and `AWS_ENDPOINT_URL`. They are read at first use.
    #[must_use]
    pub fn environment() -> Self {
        Self::new(Source::Environment)
    }

    /// Credentials as the AWS command line finds them: environment, profiles, web identity, containers, and instance
    /// metadata, with a time limit of a second. The same for the region, unless it is given here.
    #[cfg(feature = "credential-chain")]
    #[must_use]
    pub fn chain(region: Option<String>, endpoint: Option<String>) -> Self {
        Self::new(Source::Chain { region, endpoint })
    }

    /// Uses these credentials, this region, and this endpoint instead of AWS's own.
    #[must_use]
    pub fn fixed(region: impl Into<String>, endpoint: Option<String>, credentials: Credentials) -> Self {
        Self::new(Source::Fixed { region: region.into(), endpoint, credentials })
    }

    /// The endpoint in the environment variable of one service, if the configuration is from the environment.
    pub(crate) fn endpoint_of(&self, variable: &str) -> Option<String> {
        self::variable(variable).filter(|_| matches!(self.0.source, Source::Environment))
    }

    fn new(source: Source) -> Self {
        Self(Arc::new(Inner { source, config: OnceCell::new() }))
    }

    /// The configuration for a client of any AWS service. The first call creates it, without using the network:
    /// credentials are loaded by the first request.
    ///
    /// # Errors
    /// When the region or the credentials are missing or invalid, and when the machine's certificate authorities cannot
    /// be read. A configuration that failed is not cached: the next call tries again.
    pub async fn config(&self) -> Result<&SdkConfig, StoreError> {
        self.0.config.get_or_try_init(|| self.make()).await
    }

    async fn make(&self) -> Result<SdkConfig, StoreError> {
        match &self.0.source {
            Source::Environment => environment::load(),
            #[cfg(feature = "credential-chain")]
            Source::Chain { region, endpoint } => chain::load(region.clone(), endpoint.clone()).await,
            Source::Fixed { region, endpoint, credentials } => {
                let mut config = base(Some(region.clone()), endpoint.clone())?;
                config.set_credentials_provider(Some(SharedCredentialsProvider::new(credentials.clone())));
                Ok(config.build())
            }
        }
    }
}

impl fmt::Debug for AwsClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sdk").field("made", &self.0.config.initialized()).finish_non_exhaustive()
    }
}

/// Everything but the credentials.
fn base(region: Option<String>, endpoint: Option<String>) -> Result<aws_types::sdk_config::Builder, StoreError> {
    let region = region.or_else(|| endpoint.is_some().then(|| EMULATED_REGION.into())).ok_or_else(no_region)?;
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .http_client(http_client(endpoint.as_deref())?)
        .retry_config(retries())
        .timeout_config(timeouts());
    config.set_endpoint_url(endpoint);
    Ok(config)
}

fn no_region() -> StoreError {
    let text = "no AWS region is set: set AWS_REGION, or name a queue by its URL at AWS, which has the region";
    StoreError::new(StoreErrorKind::Invalid, text)
}

/// One client, which trusts the machine's certificate authorities. They are passed in: the SDK's own loader caches its
/// result for the life of the process, even if it is empty because too many files were open.
fn http_client(endpoint: Option<&str>) -> Result<SharedHttpClient, StoreError> {
    let trusted = match Roots::of_machine() {
        Ok(roots) => TrustStore::empty().with_pem_certificate(roots.to_pem()),
        // An emulator is called without TLS, which needs no certificate authorities.
        Err(RootsError::None(_)) if endpoint.is_some_and(|url| url.starts_with("http://")) => TrustStore::empty(),
        Err(error) => return Err(StoreError::unavailable(format_args!("AWS cannot be called: {error}"))),
    };
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| StoreError::new(StoreErrorKind::Invalid, error))?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https())
}

/// Three tries with short pauses: the caller is an invocation with a deadline, or a person.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(100))
        .with_max_backoff(Duration::from_secs(2))
}

/// SQS answers within milliseconds; a full batch of 1 MiB over a slow line takes seconds.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(20))
        .build()
}

/// A non-empty environment variable. An endpoint that is set but empty counts as not set, where the SDK would panic.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
