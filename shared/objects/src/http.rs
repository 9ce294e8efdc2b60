//! The HTTP client behind S3: hyper with rustls on ring, which the AWS SDKs use here too. object_store's own choice,
//! reqwest, would bring HTTP/2 and a second client into every function.

use std::{error::Error as StdError, io, time::Duration};

use async_trait::async_trait;
use http::header::{HeaderValue, USER_AGENT};
use http_body_util::BodyExt;
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

/// How long connecting may take, where nobody says otherwise.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the store may take to begin its answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an idle connection is kept. A Lambda environment sleeps between invocations, and the other end hangs up.
const IDLE: Duration = Duration::from_secs(15);

/// Makes the client. Loads the machine's certificate authorities, so it is made at first use; where they cannot be read,
/// there is no client, and the next use tries again.
#[derive(Debug)]
pub(crate) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let option = |key| options.get_config_value(&key);
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connect = option(ClientConfigKey::ConnectTimeout).and_then(|text| humantime::parse_duration(&text).ok());
        tcp.set_connect_timeout(Some(connect.unwrap_or(CONNECT)));
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
        Ok(HttpClient::new(Http(client)))
    }
}

#[derive(Debug)]
struct Http(Client<HttpsConnector<Tcp>, HttpRequestBody>);

#[async_trait]
impl HttpService for Http {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = HeaderValue::from_static(concat!("Lamplighter/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().entry(USER_AGENT).or_insert(agent);
        let response = match tokio::time::timeout(ANSWER, self.0.request(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() => return Err(HttpError::new(HttpErrorKind::Connect, error)),
            Ok(Err(error)) => return Err(HttpError::new(kind(&error), error)),
            Err(elapsed) => return Err(HttpError::new(HttpErrorKind::Timeout, elapsed)),
        };
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(|error| HttpError::new(kind(&error), error)))))
    }
}

/// What object_store wants to know in order to try again: whether the connection broke off on the way.
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
