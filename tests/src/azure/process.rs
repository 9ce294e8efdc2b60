//! The handler's process, as the Functions host runs it.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Frame},
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use super::error::{Error, Result, io};

/// The time limit for the handler's first answer (`customHandler`'s `initializationTimeout`).
const READY: Duration = Duration::from_secs(30);
/// The time between two checks for that answer.
const LOOK: Duration = Duration::from_millis(50);

/// The program, its arguments and its environment.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(String, String)>,
}

/// A running handler. It is killed when dropped, as the host's own end does.
pub(super) struct Process {
    child: Child,
    pub(super) port: u16,
}

impl Program {
    /// Starts it, and waits for any answer.
    pub(super) async fn start(&self) -> Result<Process> {
        // It was free a moment ago: the real host chooses the port like this too.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map(|address| address.port());
        let port = port.map_err(io("finding a port for", &self.path))?;
        let child = Command::new(&self.path)
            .current_dir(&self.folder)
            .env("FUNCTIONS_WORKER_RUNTIME", "custom")
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("FUNCTIONS_APP_ROOT_PATH", &self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .spawn()
            .map_err(io("starting", &self.path))?;
        let mut process = Process { child, port };
        let end = Instant::now() + READY;
        loop {
            if let Some(exit) = process.exit() {
                return Err(Error::Host(format!("the handler ended at its start, with {exit}")));
            }
            match send(port, Request::get("/").body(empty())).await {
                Ok(_) => return Ok(process),
                Err(error) if Instant::now() >= end => {
                    return Err(Error::Host(format!("the handler did not answer within {READY:?}: {error}")));
                }
                Err(_) => sleep(LOOK).await,
            }
        }
    }
}

impl Process {
    /// Returns its exit status, if it has ended.
    pub(super) fn exit(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it (kill -9).
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

type Chunks =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::convert::Infallible>>>>;

/// Posts an invocation, in chunks as the host does.
pub(super) async fn post(
    port: u16,
    function: &str,
    invocation: &str,
    body: &Value,
) -> Result<(StatusCode, Bytes), String> {
    let chunks = body
        .to_string()
        .into_bytes()
        .chunks(4096)
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    let request = Request::post(format!("/{function}"))
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("X-Azure-Functions-HostVersion", "4.1036.0.0")
        .header("X-Azure-Functions-InvocationId", invocation)
        .header(header::USER_AGENT, "Azure-Functions-Host/4.1036.0.0")
        .body(chunked(chunks));
    send(port, request).await
}

fn chunked(chunks: Vec<Result<Frame<Bytes>, std::convert::Infallible>>) -> Chunks {
    StreamBody::new(futures_util::stream::iter(chunks))
}

fn empty() -> Chunks {
    chunked(Vec::new())
}

async fn send(port: u16, request: Result<Request<Chunks>, hyper::http::Error>) -> Result<(StatusCode, Bytes), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let mut request = request.map_err(|error| failed(&error))?;
    request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("127.0.0.1"));
    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        Ok::<_, hyper::Error>((status, answer.into_body().collect().await?.to_bytes()))
    };
    // The connection is driven here, and ends with the answer.
    let connection = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer.map_err(|error| failed(&error)),
        () = connection => Err("the connection ended".into()),
    }
}
