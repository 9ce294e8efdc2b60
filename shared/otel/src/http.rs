//! The HTTP client of the exporter: hyper, which AWS's SDKs use here too, on a runtime of its own. Spans are exported
//! by a thread of OpenTelemetry's, which no runtime drives.

use std::{io, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

/// More than any answer to an export.
const LONGEST_ANSWER: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct Http {
    /// The time for one export.
    timeout: Duration,
    runtime: OnceLock<Runtime>,
}

impl Http {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, runtime: OnceLock::new() }
    }

    /// Created in the thread that exports.
    fn runtime(&self) -> io::Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(self.runtime.get_or_init(|| runtime))
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.runtime()?.block_on(async { tokio::time::timeout(self.timeout, exchange(request)).await? })
    }
}

/// Over a connection of its own: an idle one would be dead after Lambda has frozen the process, and one to this machine
/// costs next to nothing.
async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(tcp);
    let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}
