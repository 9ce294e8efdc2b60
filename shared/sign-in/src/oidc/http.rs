//! The HTTP client towards the provider: no redirects, small answers, a deadline.

use std::{future::Future, pin::Pin, time::Duration};

use lamplighter_tls::Roots;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::{Client, redirect};

/// How long connecting, and a whole call, may take. Somebody is waiting before their screen.
const CONNECT: Duration = Duration::from_secs(3);
const CALL: Duration = Duration::from_secs(8);
/// The most bytes of an answer. Keys and metadata of large providers take some 10 kB.
const MAX_BYTES: usize = 1 << 20;

/// Why a provider could not be called.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the client for it could not be made: {0}")]
    Client(String),
    #[error("{0}")]
    Call(String),
    #[error("its answer has more than {MAX_BYTES} bytes")]
    TooLarge,
}

/// Calls the provider. Cloning is cheap.
#[derive(Debug, Clone)]
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new() -> Result<Self, CallError> {
        let made = || -> Result<Client, Box<dyn std::error::Error>> {
            let client = Client::builder()
                .tls_backend_preconfigured(Roots::of_machine()?.client_config()?)
                .user_agent(concat!("Lamplighter/", env!("CARGO_PKG_VERSION")))
                // A provider that redirects could send the code and the secret anywhere.
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT)
                .timeout(CALL)
                .build()?;
            Ok(client)
        };
        made().map(Self).map_err(|error| CallError::Client(error.to_string()))
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(call(self.0.clone(), request))
    }
}

/// Sends a request of the library.
async fn call(client: Client, request: HttpRequest) -> Result<HttpResponse, CallError> {
    let failed = |error: reqwest::Error| CallError::Call(error.without_url().to_string());
    let request = reqwest::Request::try_from(request).map_err(failed)?;
    let mut answer = client.execute(request).await.map_err(failed)?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if response.body().len() + chunk.len() > MAX_BYTES {
            return Err(CallError::TooLarge);
        }
        response.body_mut().extend_from_slice(&chunk);
    }
    Ok(response)
}
