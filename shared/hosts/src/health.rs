//! Health endpoints for container platforms.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use lamplighter::host::{Lifecycle, Phase, Status, StopRequest};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::metrics::{MEDIA_TYPE, PrometheusMeter};

/// Answers health checks over HTTP, from its creation until the process ends.
///
/// - `GET /metrics`: the numbers of a [`PrometheusMeter`], if it has one.
/// - `GET /live`: 200 while the loops of all sources turn, a drain included; 503 means that only a restart helps.
/// - `GET /ready`: 200 while it takes messages; 503 before the first receive, while a queue cannot be reached, and
///   while it drains.
///
/// The last two answer with the status as JSON, without jobs' arguments, ids and errors.
#[derive(Debug)]
pub struct HealthServer {
    address: SocketAddr,
    latest: Latest,
}

type Latest = Arc<Mutex<Option<(Status, Instant)>>>;

/// A report that is older than this means that the host itself is stuck.
const FRESH: Duration = Duration::from_secs(15);

impl HealthServer {
    /// Listens on this address: on all interfaces of a container, `0.0.0.0:8080`. It serves from a thread of its own,
    /// which no handler can block.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::serve(address, None)
    }

    /// As [`bind`](Self::bind), with metrics.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn with_metrics(address: SocketAddr, meter: Arc<PrometheusMeter>) -> io::Result<Self> {
        Self::serve(address, Some(meter))
    }

    fn serve(address: SocketAddr, meter: Option<Arc<PrometheusMeter>>) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let latest = Latest::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let mut router = Router::new().route("/live", get(live)).route("/ready", get(ready)).with_state(latest.clone());
        if let Some(meter) = meter {
            router = router.route("/metrics", get(async move || ([(CONTENT_TYPE, MEDIA_TYPE)], meter.text())));
        }
        std::thread::Builder::new().name("health".into()).spawn(move || {
            if let Err(error) = runtime.block_on(async { axum::serve(listener, router).await }) {
                tracing::error!(%error, "health checks are not answered any more");
            }
        })?;
        Ok(Self { address, latest })
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[async_trait]
impl Lifecycle for HealthServer {
    async fn stop_requested(&mut self) -> StopRequest {
        std::future::pending().await
    }

    async fn report(&mut self, status: &Status) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some((status.clone(), Instant::now()));
    }
}

async fn live(State(latest): State<Latest>) -> (StatusCode, Json<Value>) {
    answer(&latest, Status::is_live)
}

async fn ready(State(latest): State<Latest>) -> (StatusCode, Json<Value>) {
    answer(&latest, Status::is_ready)
}

fn answer(latest: &Latest, is_well: fn(&Status) -> bool) -> (StatusCode, Json<Value>) {
    let latest = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let Some((status, at)) = latest else {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "phase": "starting" })));
    };
    let is_fresh = at.elapsed() <= FRESH || status.phase == Phase::Stopped;
    let code = if is_fresh && is_well(&status) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let phase = match status.phase {
        Phase::Running => "running",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
    };
    let sources = status.sources.iter().map(|source| {
        json!({ "name": source.name, "ready": source.is_ready, "live": source.is_live, "jobs": source.in_flight })
    });
    let body = json!({
        "phase": phase, "jobs": status.in_flight(), "reported_seconds_ago": at.elapsed().as_secs(),
        "sources": sources.collect::<Vec<_>>(),
    });
    (code, Json(body))
}
