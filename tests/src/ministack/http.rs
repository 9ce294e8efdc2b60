//! One HTTP request on a connection of its own, for services without an SDK here.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::error::{Error, Result};

/// Sends a request to a port of this machine, and reads the whole answer.
///
/// # Errors
/// When there is no answer.
pub async fn send(port: u16, mut request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
    let what = format!("{} {}", request.method(), request.uri());
    let failed = |error: &dyn std::fmt::Display| Error::Request { what: what.clone(), reason: error.to_string() };
    if !request.headers().contains_key(header::HOST) {
        let host = header::HeaderValue::from_str(&format!("127.0.0.1:{port}")).map_err(|error| failed(&error))?;
        request.headers_mut().insert(header::HOST, host);
    }
    let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let driver = tokio::spawn(connection);
    let answer = async {
        let (head, body) = sender.send_request(request.map(|body| Full::new(Bytes::from(body)))).await?.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        Ok::<_, hyper::Error>(Response::from_parts(head, body))
    }
    .await;
    driver.abort();
    answer.map_err(|error| failed(&error))
}

/// Sends `request` as the owner of the emulated account and refuses an answer that is not a success.
pub(crate) async fn send_as_root(port: u16, service: &str, mut request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>> {
    let what = format!("{} {}", request.method(), request.uri());
    // The emulator accepts its root key by name, without a signature, even with `AUTH` on.
    let name = format!(
        "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=0",
        super::ROOT_KEY,
        super::REGION
    );
    let name = header::HeaderValue::from_str(&name)
        .map_err(|error| Error::Request { what: what.clone(), reason: error.to_string() })?;
    request.headers_mut().insert(header::AUTHORIZATION, name);
    let answer = send(port, request).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let reason = format!("{}: {}", answer.status(), String::from_utf8_lossy(answer.body()));
    Err(Error::Request { what, reason })
}
