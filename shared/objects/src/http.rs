//! The HTTP client for S3: hyper with rustls on ring, which the AWS SDKs use here too. object_store's own choice,
//! reqwest, would bring HTTP/2 and a second client into every function.

use std::{error::Error as StdError, io, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::header::{HeaderValue, USER_AGENT};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector as Tcp},
    rt::{TokioExecutor, TokioTimer},
};
use lamplighter_tls::Roots;
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};

use crate::patience::Patience;

/// How long an idle connection is kept. A Lambda environment is frozen between invocations, and the peer closes the
/// connection.
const IDLE: Duration = Duration::from_secs(15);

/// Creates the client. It loads the machine's certificate authorities, so it is created at first use; if they cannot be
/// read, creation fails, and the next use tries again.
#[derive(Debug)]
pub(crate) struct Connector(pub(crate) Patience);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let option = |key| options.get_config_value(&key);
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connect = option(ClientConfigKey::ConnectTimeout).and_then(|text| humantime::parse_duration(&text).ok());
        tcp.set_connect_timeout(Some(connect.unwrap_or(self.0.connect)));
        let failed = |source| object_store::Error::Generic { store: "S3", source };
        let roots = Roots::of_machine().map_err(|error| failed(error.into()))?;
        let config = roots.client_config().map_err(|error| failed(error.into()))?;
        let tls = HttpsConnectorBuilder::new().with_tls_config(config);
        let plain = option(ClientConfigKey::AllowHttp).is_some_and(|allowed| allowed == "true");
        let tls = if plain { tls.https_or_http() } else { tls.https_only() };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(tls.enable_http1().wrap_connector(tcp));
        Ok(HttpClient::new(Http { client, patience: self.0 }))
    }
}

#[derive(Debug)]
struct Http {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
    patience: Patience,
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = HeaderValue::from_static(concat!("Lamplighter/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let Patience { answer, pause, .. } = self.patience;
        let sending = Duration::from_secs(request.body().content_length() as u64 >> 20);
        let response = match tokio::time::timeout(answer + sending, self.client.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return Err(HttpError::new(HttpErrorKind::Connect, error)),
            Ok(Err(error)) => return Err(HttpError::new(kind(&error), error)),
            Err(elapsed) => return Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
        };
        Ok(response.map(|body| HttpResponseBody::new(StreamBody::new(in_pieces(body, pause)))))
    }
}

/// The pieces of an answer, with a timeout between each and the next.
fn in_pieces<B>(body: B, pause: Duration) -> impl Stream<Item = Result<Frame<Bytes>, HttpError>> + Send + Sync
where
    B: Body<Data = Bytes, Error: StdError + Send + Sync> + Send + Sync + Unpin + 'static,
{
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(pause, body.frame()).await {
            Ok(Some(Ok(frame))) => Some((Ok(frame), Some(body))),
            Ok(Some(Err(error))) => Some((Err(HttpError::new(kind(&error), error)), None)),
            Ok(None) => None,
            Err(elapsed) => Some((Err(HttpError::new(HttpErrorKind::Timeout, elapsed)), None)),
        }
    })
    .fuse()
}

/// The kind of error, which object_store needs to decide on a retry: whether the connection broke off.
fn kind(error: &(dyn StdError + 'static)) -> HttpErrorKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
                _ => HttpErrorKind::Interrupted,
            };
        }
        cause = error.source();
    }
    HttpErrorKind::Request
}
