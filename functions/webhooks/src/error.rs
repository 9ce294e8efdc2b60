//! Why a webhook was not delivered, and whether it is tried again.

use std::{error::Error, time::Duration};

use lamplighter::JobError;
use reqwest::StatusCode;
use url::Url;

use crate::{
    destination::Refused,
    http::ClientError,
    kept_secret::SecretError,
    settings::{SECRET, SECRET_ARNS, SECRETS, SettingsError},
};

/// Why a webhook was not delivered.
///
/// Receivers are named by scheme, host and port only: paths and queries of webhook URLs often are secrets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The settings cannot be used.
    #[error("the settings for webhooks cannot be used")]
    Settings(#[from] SettingsError),
    /// There is no default secret.
    #[error("there is no secret to sign with: set {SECRET} or {SECRET_ARNS}, or name a secret in the job's \"secret\"")]
    NoSecret,
    /// There is no secret of that name.
    #[error("there is no secret {0:?} to sign with: add it to {SECRET_ARNS} or {SECRETS}")]
    UnknownSecret(String),
    /// The secret is kept elsewhere, and cannot be read from there.
    #[error("there is no secret to sign with")]
    Secret(#[from] SecretError),
    /// The destination is not allowed.
    #[error("the webhook was not sent")]
    Refused(#[from] Refused),
    /// The body could not be written.
    #[error("the body cannot be written as JSON")]
    Body(#[from] serde_json::Error),
    /// There is no HTTP client.
    #[error("the webhook was not sent")]
    Client(#[from] ClientError),
    /// The receiver did not answer.
    #[error("no answer from {receiver}")]
    Unreachable {
        /// Scheme, host and port.
        receiver: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The receiver answered with something other than 2xx.
    #[error("{receiver} answered {status}{text}")]
    Rejected {
        /// Scheme, host and port.
        receiver: String,
        /// The status.
        status: StatusCode,
        /// The answer's text, shortened.
        text: String,
        /// The consequence.
        rejection: Rejection,
    },
}

/// The consequence of an answer other than 2xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The job has failed for good.
    Final,
    /// It is tried again by policy.
    Retry,
    /// It is tried again by policy, but not before this time has passed.
    RetryAfter(Duration),
}

impl DeliveryError {
    pub(crate) fn unreachable(receiver: &str, error: reqwest::Error) -> Self {
        match refusal(&error) {
            Some(refused) => Self::Refused(refused),
            None => Self::Unreachable { receiver: receiver.into(), source: error.without_url() },
        }
    }

    /// Converts the error for the worker: jobs with wrong settings or unavailable receivers are tried again; a
    /// destination that is not allowed, and an answer that would stay the same, end the job.
    pub(crate) fn into_job_error(self) -> JobError {
        match &self {
            Self::Refused(_) | Self::Body(_) | Self::Rejected { rejection: Rejection::Final, .. } => {
                JobError::fail(self)
            }
            Self::Rejected { rejection: Rejection::RetryAfter(delay), .. } => JobError::retry_after(*delay, self),
            _ => JobError::retry(self),
        }
    }
}

/// The resolver's refusal among the causes of an error, if there is one.
fn refusal(error: &reqwest::Error) -> Option<Refused> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused.clone());
        }
        cause = error.source();
    }
    None
}

/// Scheme, host and port of a URL.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
