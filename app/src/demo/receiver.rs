//! A receiver of webhooks: a small server on this machine that fails at first, and rejects deliveries whose signature
//! it cannot verify.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::RETRY_AFTER},
};
use standardwebhooks::{HEADER_WEBHOOK_ID, Webhook};
use tokio::{net::TcpListener, task::JoinHandle};

/// A delivery that reached the receiver.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    /// The `webhook-id`: the same for all tries of one webhook.
    pub(super) id: String,
    /// Why the signature was rejected, if it was.
    pub(super) distrust: Option<String>,
    /// The status of the answer.
    pub(super) answer: StatusCode,
}

/// The running server. It stops when dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    address: SocketAddr,
    visits: Arc<Mutex<Vec<Visit>>>,
    server: JoinHandle<()>,
}

struct Desk {
    webhook: Webhook,
    visits: Arc<Mutex<Vec<Visit>>>,
    tries: Mutex<HashMap<String, usize>>,
}

/// Returns the answers of the endpoint at this path to the first tries of each webhook, before it accepts: a status,
/// and the value of `Retry-After` in seconds.
fn troubles(path: &str) -> &'static [(StatusCode, Option<&'static str>)] {
    const BUSY: (StatusCode, Option<&str>) = (StatusCode::SERVICE_UNAVAILABLE, Some("1"));
    match path {
        "/orders" => &[(StatusCode::INTERNAL_SERVER_ERROR, None), BUSY],
        "/billing" => &[(StatusCode::TOO_MANY_REQUESTS, Some("2"))],
        _ => &[BUSY],
    }
}

impl Receiver {
    /// Starts a receiver with the signing secret, on a free port.
    pub(super) async fn start(secret: &str) -> io::Result<Self> {
        let visits = Arc::new(Mutex::new(Vec::new()));
        let webhook = Webhook::new(secret).map_err(io::Error::other)?;
        let desk = Desk { webhook, visits: visits.clone(), tries: Mutex::default() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(receive).with_state(Arc::new(desk));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the receiver ended");
            }
        });
        Ok(Self { address, visits, server })
    }

    /// Returns the address of one of its endpoints.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns all deliveries so far.
    pub(super) fn visits(&self) -> Vec<Visit> {
        locked(&self.visits).clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive(
    State(desk): State<Arc<Desk>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, &'static str) {
    let id = headers.get(HEADER_WEBHOOK_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let mut answer = HeaderMap::new();
    let distrust = desk.webhook.verify(&body, &headers).err().map(|error| error.to_string());
    let (status, text) = if distrust.is_some() {
        (StatusCode::UNAUTHORIZED, "this signature is not yours\n")
    } else {
        let mut tries = locked(&desk.tries);
        let number = tries.entry(id.clone()).or_insert(0);
        let trouble = troubles(uri.path()).get(*number);
        *number += 1;
        match trouble {
            Some((status, after)) => {
                if let Some(seconds) = after {
                    answer.insert(RETRY_AFTER, axum::http::HeaderValue::from_static(seconds));
                }
                (*status, "not now\n")
            }
            None => (StatusCode::OK, "thank you\n"),
        }
    };
    locked(&desk.visits).push(Visit { id, distrust, answer: status });
    (status, answer, text)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
