//! Amazon ECS: scale-in protection of the task while jobs run.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use lamplighter::host::{Lifecycle, Phase, Status, StopRequest};
use reqwest::Client;
use serde_json::json;
use tokio::task::JoinHandle;

/// Protects the ECS task from scale-in and deployments while jobs run (Amazon ECS Developer Guide, "Amazon ECS task
/// scale-in protection endpoint"). It only helps: a task can be stopped in spite of it, and SIGTERM drains it then.
#[derive(Debug)]
pub struct EcsProtection {
    url: String,
    client: Client,
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
    /// For a task of Amazon ECS.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let agent = std::env::var("ECS_AGENT_URI").ok().filter(|uri| uri.starts_with("http://"))?;
        Some(Self::at(&agent))
    }

    /// With the container agent at that address.
    #[must_use]
    pub fn at(agent: &str) -> Self {
        let url = format!("{}/task-protection/v1/state", agent.trim_end_matches('/'));
        Self { url, client: Client::new(), protected: None, call: None }
    }

    fn set(&mut self, enabled: bool) {
        let body = match enabled {
            true => json!({ "ProtectionEnabled": true, "ExpiresInMinutes": MINUTES }),
            false => json!({ "ProtectionEnabled": false }),
        };
        let call = self.client.put(&self.url).header("Content-Type", "application/json").body(body.to_string());
        self.protected = Some((enabled, Instant::now()));
        self.call = Some(tokio::spawn(async move {
            match call.timeout(LIMIT).send().await {
                Ok(answer) if answer.status().is_success() => true,
                Ok(answer) => {
                    tracing::warn!(status = %answer.status(), enabled, "the task's protection could not be set");
                    false
                }
                Err(error) => {
                    tracing::warn!(%error, enabled, "the task's protection could not be set");
                    false
                }
            }
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
            // Tried again after the pause, whatever was wanted.
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
