//! DynamoDB and SQS as far as one job needs them, each behind TLS on a port of its own.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// An authority of this measure's own, and a server that it vouches for.
pub(super) struct Identity {
    /// The authority, as PEM.
    pub(super) authority: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    pub(super) fn new() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate)], PrivateKeyDer::try_from(key.serialize_der())?)?;
        Ok(Self { authority: authority.pem(), config: Arc::new(config) })
    }
}

/// A service of AWS's.
pub(super) struct Endpoint {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: AbortHandle,
}

/// What came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) connections: usize,
    /// The actions, in their order.
    pub(super) actions: Vec<String>,
}

impl Endpoint {
    pub(super) async fn start(identity: &Identity) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let (acceptor, noting) = (TlsAcceptor::from(identity.config.clone()), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), noting.clone());
                tokio::spawn(async move {
                    // Small answers are not to wait for what is to come.
                    let _ = stream.set_nodelay(true);
                    // A client that does not trust the certificate hangs up here, and is seen to make no call.
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    seen.lock().unwrap_or_else(PoisonError::into_inner).connections += 1;
                    let answer = service_fn(move |request| answer(seen.clone(), request));
                    // A connection that breaks is the end of its client.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Ok(Self { address, seen, task: task.abort_handle() })
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(seen: Arc<Mutex<Seen>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match action.as_str() {
        "UpdateItem" => json!({ "Attributes": record(&asked["Key"]) }),
        "ChangeMessageVisibilityBatch" => json!({ "Successful": [{ "Id": asked["Entries"][0]["Id"] }], "Failed": [] }),
        _ => json!({}),
    };
    seen.lock().unwrap_or_else(PoisonError::into_inner).actions.push(action);
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"));
    Ok(response)
}

/// A record as a claim finds it, and of the usual size.
fn record(key: &Value) -> Value {
    let mut record = json!({
        "st": { "S": "running" },
        "n": { "N": "1" },
        "o": { "N": "7303014920387442" },
        "l": { "N": "1793527260000000000" },
        "h": { "S": "lambda tracked 2026/11/01/[$LATEST]0123456789abcdef0123456789abcdef" },
        "b": { "N": "1793527200000000000" },
        "c": { "N": "1793527200000000000" },
        "d": { "N": "1793527200000000000" },
        "q": { "S": "nothing" },
        "j": { "S": "nothing.do" },
        "m": { "S": r#"{"job":"nothing.do","args":{}}"# },
        "mx": { "N": "10" },
        "rf": { "N": "7776000" },
        "w": { "N": "7303014920387442" },
        "z": { "N": "7303014920387442" },
        "lean": { "BOOL": true },
        "ttl": { "N": "1794823260" },
    });
    for name in ["pk", "sk"] {
        record[name] = key[name].clone();
    }
    record
}
