//! Amazon ECS: scale-in protection of the task while jobs run.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use lamplighter::host::{Lifecycle, Phase, Status, StopRequest};
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};

/// Protects the ECS task from scale-in and deployments while jobs run (Amazon ECS Developer Guide, "Amazon ECS task
/// scale-in protection endpoint"). It is best effort: a task can be stopped in spite of it, and SIGTERM drains it then.
#[derive(Debug)]
pub struct EcsProtection {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// Whether the task is protected, as far as is known, and since when.
    protected: Option<(bool, Instant)>,
    call: Option<JoinHandle<bool>>,
}

/// How long a protection lasts: 1 to 2,880 minutes.
const MINUTES: u32 = 10;
/// A protection is renewed after this time.
const RENEW: Duration = Duration::from_secs(5 * 60);
/// The longest time for a call, and the pause after one that failed.
const LIMIT: Duration = Duration::from_secs(5);

impl EcsProtection {
    /// Creates it for a task of Amazon ECS; `None` elsewhere.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let agent = std::env::var("ECS_AGENT_URI").ok().filter(|uri| uri.starts_with("http://"))?;
        Some(Self::at(&agent))
    }

    /// Creates it with the container agent at that address.
    #[must_use]
    pub fn at(agent: &str) -> Self {
        let url = format!("{}/task-protection/v1/state", agent.trim_end_matches('/'));
        Self { url, client: Client::builder(TokioExecutor::new()).build_http(), protected: None, call: None }
    }

    fn set(&mut self, enabled: bool) {
        let body = match enabled {
            true => json!({ "ProtectionEnabled": true, "ExpiresInMinutes": MINUTES }),
            false => json!({ "ProtectionEnabled": false }),
        };
        let request = Request::put(&self.url).header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::from(body.to_string()));
        let client = self.client.clone();
        self.protected = Some((enabled, Instant::now()));
        self.call = Some(tokio::spawn(async move {
            let set =
                async { Ok::<_, Box<dyn std::error::Error + Send + Sync>>(client.request(request?).await?.status()) };
            let why = match timeout(LIMIT, set).await {
                Ok(Ok(status)) if status.is_success() => return true,
                Ok(Ok(status)) => format!("the agent answered {status}"),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("the agent did not answer within {LIMIT:?}"),
            };
            tracing::warn!(why, enabled, "the task's protection could not be set");
            false
        }));
    }
}

#[async_trait]
impl Lifecycle for EcsProtection {
    async fn stop_requested(&mut self) -> StopRequest {
        std::future::pending().await
    }

    async fn report(&mut self, status: &Status) {
        if let Some(call) = self.call.take_if(|call| call.is_finished())
            && !call.await.unwrap_or(false)
        {
            // Tried again after the pause, for either value.
            self.protected = self.protected.map(|(_, at)| (false, at));
        }
        if self.call.is_some() {
            return;
        }
        let wanted = status.phase != Phase::Stopped && status.in_flight() > 0;
        let due = match self.protected {
            None => wanted,
            Some((true, since)) => !wanted || since.elapsed() >= RENEW,
            Some((false, since)) => wanted && since.elapsed() >= LIMIT,
        };
        if due {
            self.set(wanted);
        }
    }
}
