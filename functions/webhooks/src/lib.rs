//! Delivers webhooks: signed HTTP POSTs by the [Standard Webhooks](https://www.standardwebhooks.com) convention.
//!
//! The body is `{"type": event, "timestamp": when it was enqueued, "data": payload}`, with the payload exactly as sent,
//! byte for byte. Three headers let a receiver check it with any Standard Webhooks library: `webhook-id` (the job's id,
//! the same on every attempt, so a receiver that remembers ids handles each event once), `webhook-timestamp` and
//! `webhook-signature`.
//!
//! # Receivers' answers
//!
//! | answer | result |
//! | --- | --- |
//! | 2xx | delivered |
//! | 408, 409, 425, 429, any 5xx | tried again by the job's policy, but not before `Retry-After`, which is honoured up to six hours |
//! | any other 4xx, 410 among them | failed for good: asking again would not change the answer |
//! | 301, 308 | failed for good: the address is wrong. Redirects are never followed, or a receiver could send a signed event elsewhere |
//! | any other 3xx | tried again |
//! | no answer, no connection, bad certificate | tried again |
//!
//! # Destinations
//!
//! To public addresses only, since URLs often come from customers: see [`Destinations`].
//!
//! # Settings
//!
//! See [`Settings::from_variables`]. They are read for the first job; a wrong setting is an error of that job, which is
//! tried again and so survives until the setting is repaired.
//!
//! # Secrets
//!
//! Each receiver should have a secret of its own, in Secrets Manager or Parameter Store: with a leaked one, only the
//! events of one receiver can be forged, and changing it affects no other. It is read when the first job needs it, and
//! again after [`SECRET_FRESH`], so a new one needs no deployment. While it is being changed, keep both, separated by a
//! space: every event is then signed with both. If a secret cannot be read, its jobs are released, uncounted; one that
//! was read before is used for up to [`SECRET_KEPT`] while the service does not answer.

mod address;
mod answer;
mod destination;
mod error;
mod http;
mod kept_secret;
mod retry_after;
mod settings;
mod signature;

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use lamplighter::{Context, Function, JobError, State, Variables, record::ErrorText};
use lamplighter_jobs::DeliverWebhook;
use serde::Serialize;
use serde_json::value::RawValue;

use self::http::Http;
pub use self::{
    address::is_public,
    destination::{Destinations, InvalidDestination, Refused},
    error::DeliveryError,
    kept_secret::{SECRET_FRESH, SECRET_KEPT, SecretError, Vault},
    settings::{Secrets, Settings, SettingsError, UnusableSecret},
    signature::{InvalidSecret, Signer},
};

/// The function, with settings from the environment.
#[must_use]
pub fn function() -> Function {
    function_from(&Variables::system())
}

/// The function, with settings from these variables.
#[must_use]
pub fn function_from(variables: &Variables) -> Function {
    build(Webhooks::new(variables.clone()))
}

/// The function with these settings.
#[must_use]
pub fn function_with(settings: Settings) -> Function {
    let webhooks = Webhooks::new(Variables::none());
    // A fresh cell is empty, so this cannot be refused.
    let _ = webhooks.0.settings.set(Ok(settings));
    build(webhooks)
}

fn build(webhooks: Webhooks) -> Function {
    Function::new("webhooks")
        .description("Delivers signed webhooks")
        .memory_mb(128)
        .setting(settings::DEPLOYED_SECRET)
        .setting(settings::DEPLOYED_SECRETS)
        .setting(settings::DEPLOYED_SECRET_ARNS)
        .setting(settings::DEPLOYED_ALLOW_PRIVATE)
        .job(deliver)
        .with_state(webhooks)
}

/// The handler's state: settings and the HTTP client, created at first use and shared by all jobs, so that connections
/// are reused.
#[derive(Debug, Clone)]
pub struct Webhooks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    variables: Variables,
    settings: OnceLock<Result<Settings, SettingsError>>,
    http: OnceLock<Http>,
}

impl Webhooks {
    fn new(variables: Variables) -> Self {
        Self(Arc::new(Shared { variables, settings: OnceLock::new(), http: OnceLock::new() }))
    }

    fn settings(&self) -> Result<&Settings, DeliveryError> {
        let variables = &self.0.variables;
        let settings = self.0.settings.get_or_init(|| Settings::from_variables(Secrets::default(), variables));
        settings.as_ref().map_err(|error| error.clone().into())
    }

    /// A failure is not kept: the next job may succeed.
    fn http(&self, settings: &Settings) -> Result<&Http, DeliveryError> {
        if let Some(http) = self.0.http.get() {
            return Ok(http);
        }
        let made = Http::new(&settings.destinations)?;
        Ok(self.0.http.get_or_init(|| made))
    }
}

/// The output of a delivered webhook's job.
#[derive(Debug, Serialize)]
pub struct Delivered {
    /// The receiver's HTTP status.
    pub status: u16,
    /// How long it took to answer, in milliseconds.
    pub ms: u64,
}

/// The body, in the order in which it is written.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: &'a RawValue,
}

/// Sends the event once, and succeeds or fails by the answer.
///
/// # Errors
/// See the [table](crate#receivers-answers), and [`DeliveryError`] for the causes.
pub async fn deliver(
    job: DeliverWebhook,
    ctx: Context,
    State(webhooks): State<Webhooks>,
) -> Result<Delivered, JobError> {
    match attempt(&job, &ctx, &webhooks).await {
        Err(DeliveryError::Secret(error)) => {
            let delay = error.delay();
            let error = ErrorText::from_error(&error);
            tracing::warn!(%error, delay_s = delay.as_secs(), "the signing secret cannot be read, job released");
            ctx.snooze(delay)
        }
        done => done.map_err(DeliveryError::into_job_error),
    }
}

async fn attempt(job: &DeliverWebhook, ctx: &Context, webhooks: &Webhooks) -> Result<Delivered, DeliveryError> {
    let settings = webhooks.settings()?;
    settings.destinations.check(&job.url)?;
    let signer = settings
        .secrets
        .get(job.secret.as_ref().map(|name| name.expose().as_str()))?
        .signer(ctx.remaining() / 3)
        .await?;
    let now = Timestamp::now();
    let timestamp = ctx.message().enqueued_at.unwrap_or(now);
    let body = serde_json::to_vec(&Body { r#type: &job.event, timestamp, data: &job.payload })?;
    let signature = signer.sign(ctx.id().as_str(), now.as_second(), &body);

    let origin = error::origin(&job.url);
    let request = webhooks
        .http(settings)?
        .to(&origin)
        .post(job.url.clone())
        .timeout(http::timeout(ctx.remaining()))
        .header("content-type", "application/json")
        .header("webhook-id", ctx.id().as_str())
        .header("webhook-timestamp", now.as_second())
        .header("webhook-signature", signature)
        .body(body);
    let started = Instant::now();
    let response = request.send().await.map_err(|error| DeliveryError::unreachable(&origin, error))?;
    let ms = millis(started.elapsed());
    let status = response.status();
    if !status.is_success() {
        return Err(answer::rejection(origin, response).await);
    }
    tracing::debug!(receiver = origin, status = status.as_u16(), ms, "delivered");
    answer::drain(response).await;
    Ok(Delivered { status: status.as_u16(), ms })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
