//! S3, configured by the variables that AWS's own tools read.

use object_store::{
    BackoffConfig, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey},
};

use crate::{http::Connector, patience::Patience};

/// Retries within one call. Lambda and the job's own retries follow, so these only bridge short failures.
const RETRIES: usize = 3;
/// The longest time after which a call is still retried. A call that timed out is not retried.
const RETRY_TIME: std::time::Duration = std::time::Duration::from_secs(20);

/// The hint when a bucket cannot be used and the environment has no credentials.
const NO_CREDENTIALS: &str = ": there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run \
                              it where a role provides them";

/// A bucket, and a hint for errors.
pub(crate) struct Bucket {
    pub(crate) store: AmazonS3,
    pub(crate) hint: &'static str,
}

/// The store of a bucket. Credentials, region and endpoint come from `variables`, named as in the environment
/// (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, …). Nothing is sent.
pub(crate) fn open(
    bucket: &str,
    variables: impl IntoIterator<Item = (String, String)>,
    patience: Patience,
) -> Result<Bucket, object_store::Error> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_http_connector(Connector(patience))
        .with_retry(RetryConfig { backoff: BackoffConfig::default(), max_retries: RETRIES, retry_timeout: RETRY_TIME });
    let mut credentials = false;
    for (name, value) in variables {
        // An empty variable counts as absent, as for AWS's tools.
        if !name.starts_with("AWS_") || value.is_empty() {
            continue;
        }
        credentials |= matches!(&*name, "AWS_ACCESS_KEY_ID" | "AWS_WEB_IDENTITY_TOKEN_FILE")
            || name.starts_with("AWS_CONTAINER_CREDENTIALS_");
        let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() else { continue };
        if matches!(key, AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint) && value.starts_with("http://") {
            builder = builder.with_allow_http(true);
        }
        builder = builder.with_config(key, value);
    }
    Ok(Bucket { store: builder.build()?, hint: if credentials { "" } else { NO_CREDENTIALS } })
}
