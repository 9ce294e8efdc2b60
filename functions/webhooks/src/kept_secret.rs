//! A secret in a secrets service, read when it is needed.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_aws::{SecretArn, SecretReader};
use tokio::time::{Instant, timeout};

use crate::signature::{InvalidSecret, Signer};

/// How long a secret is used before it is read again, and so the time until a change is noticed.
pub const SECRET_FRESH: Duration = Duration::from_secs(5 * 60);
/// How long a secret is used at most while its service does not answer.
pub const SECRET_KEPT: Duration = Duration::from_secs(3600);
/// How long the service may take to answer.
const READ: Duration = Duration::from_secs(5);
/// How long a service that has failed is not called again. The jobs of a batch ask at the same time.
const PAUSE: Duration = Duration::from_secs(5);
/// The shortest and the longest delay of a job whose secret cannot be read.
const DELAY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));

/// A service that keeps secrets.
#[async_trait]
pub trait Vault: fmt::Debug + Send + Sync + 'static {
    /// Returns the current text of a secret.
    ///
    /// # Errors
    /// When it cannot be read. No error contains a part of it.
    async fn read(&self, arn: &SecretArn) -> Result<String, StoreError>;
}

#[async_trait]
impl Vault for SecretReader {
    async fn read(&self, arn: &SecretArn) -> Result<String, StoreError> {
        Self::read(self, arn).await
    }
}

/// Why a secret cannot be read. Its job is released in every case: all causes can be repaired while jobs wait.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the secret cannot be read, and its jobs are released")]
pub struct SecretError {
    #[source]
    why: Why,
    /// For how long the service has been failing.
    failing_for: Duration,
}

#[derive(Debug, Clone, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Unread(StoreError),
    #[error("{arn} did not answer within {within:?}")]
    Silence { arn: SecretArn, within: Duration },
    #[error("{arn} holds no secret to sign with: {reason}")]
    Invalid { arn: SecretArn, reason: InvalidSecret },
}

impl SecretError {
    /// The delay until the job asks again: as long as the service has been failing, so that jobs return soon after a
    /// short failure, and seldom during a long one.
    pub(crate) fn delay(&self) -> Duration {
        self.failing_for.clamp(DELAY.0, DELAY.1)
    }
}

impl Why {
    /// Returns whether the secret that was read last can still be used.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unread(error) => error.kind() == StoreErrorKind::Unavailable,
            Self::Silence { .. } => true,
            Self::Invalid { .. } => false,
        }
    }
}

/// A secret by its ARN, with the last results of reading it.
#[derive(Debug)]
pub(crate) struct KeptSecret {
    arn: SecretArn,
    vault: Arc<dyn Vault>,
    known: Mutex<Known>,
    /// Held during a call to the service: one at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    signer: Option<(Signer, Instant)>,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    why: Why,
    first: Instant,
    last: Instant,
}

impl KeptSecret {
    pub(crate) fn new(arn: SecretArn, vault: Arc<dyn Vault>) -> Self {
        Self { arn, vault, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    #[cfg(test)]
    pub(crate) fn arn(&self) -> &SecretArn {
        &self.arn
    }

    /// A signer with this secret, within `limit`.
    pub(crate) async fn signer(&self, limit: Duration) -> Result<Signer, SecretError> {
        if let Some(signer) = self.read_within(SECRET_FRESH) {
            return Ok(signer);
        }
        let limit = limit.min(READ * 2);
        match timeout(limit, self.renewed()).await {
            Ok(answer) => answer,
            Err(_) => Err(self.failed(Why::Silence { arn: self.arn.clone(), within: limit })),
        }
    }

    async fn renewed(&self) -> Result<Signer, SecretError> {
        let _asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            Err(_) => match self.read_within(SECRET_KEPT) {
                Some(signer) => return Ok(signer),
                None => self.asking.lock().await,
            },
        };
        // Another job may have got an answer meanwhile.
        if let Some(answer) = self.answered() {
            return answer;
        }
        let why = match timeout(READ, self.vault.read(&self.arn)).await {
            Ok(Ok(text)) => match Signer::new(&text) {
                Ok(signer) => {
                    *self.known() = Known { signer: Some((signer.clone(), Instant::now())), failure: None };
                    return Ok(signer);
                }
                Err(reason) => Why::Invalid { arn: self.arn.clone(), reason },
            },
            Ok(Err(error)) => Why::Unread(error),
            Err(_) => Why::Silence { arn: self.arn.clone(), within: READ },
        };
        let passing = why.is_passing();
        let error = self.failed(why);
        match self.read_within(SECRET_KEPT).filter(|_| passing) {
            Some(signer) => {
                tracing::warn!(arn = %self.arn, error = %error.why, "the secret that was read last stays in use");
                Ok(signer)
            }
            None => Err(error),
        }
    }

    /// The known answer, if it is recent enough.
    fn answered(&self) -> Option<Result<Signer, SecretError>> {
        if let Some(signer) = self.read_within(SECRET_FRESH) {
            return Some(Ok(signer));
        }
        let error = {
            let known = self.known();
            let failure = known.failure.as_ref().filter(|failure| failure.last.elapsed() < PAUSE)?;
            failure.error()
        };
        let stale = self.read_within(SECRET_KEPT).filter(|_| error.why.is_passing());
        Some(stale.ok_or(error))
    }

    fn read_within(&self, time: Duration) -> Option<Signer> {
        let known = self.known();
        known.signer.as_ref().filter(|(_, at)| at.elapsed() < time).map(|(signer, _)| signer.clone())
    }

    fn failed(&self, why: Why) -> SecretError {
        let now = Instant::now();
        let mut known = self.known();
        let first = known.failure.as_ref().map_or(now, |failure| failure.first);
        known.failure.insert(Failure { why, first, last: now }).error()
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    fn error(&self) -> SecretError {
        SecretError { why: self.why.clone(), failing_for: self.first.elapsed() }
    }
}

#[cfg(test)]
mod tests;
