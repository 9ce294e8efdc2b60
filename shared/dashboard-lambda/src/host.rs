//! The function's invocations: requests of the function URL, and the question which code this is.

use std::{
    convert::Infallible,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use lambda_http::{
    Adapter, Body, Request, Response,
    http::{Method, StatusCode},
    request::LambdaRequest,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use lamplighter::{App, DashboardFunction, Variables};
use lamplighter_aws::{AwsBackend, lambda::About};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::{
    caller::Caller,
    router::Routers,
    settings::{Settings, SettingsError},
};

/// Lambda sends 6 MB at most (AWS Lambda Developer Guide, "Lambda quotas"), in which three bytes take four.
const MOST_BYTES: usize = 4_400_000;

/// How long the first request waits for secrets. The dashboard itself answers within fifteen seconds more.
const SETUP: Duration = Duration::from_secs(8);
/// What a request may take in all, of the function's [time](DashboardFunction::TIMEOUT).
const REQUEST: Duration = Duration::from_secs(27);

/// `{"lamplighter":"about"}`, as other functions understand it too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    lamplighter: String,
}

/// A dashboard's function without Lambda's runtime: for programs with a runtime of their own, and for tests. Cloning is cheap.
#[derive(Clone)]
pub struct Host(Arc<Routers>);

impl Host {
    /// The dashboard of this app, on this deployment, with settings from these variables. `function` is the function's name in
    /// Lambda: `shop-dashboard` in the stack `shop`.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(app: &App, aws: &AwsBackend, variables: &Variables, function: &str) -> Result<Self, SettingsError> {
        let settings = Settings::read(variables)?;
        if settings.rules.is_empty() && settings.tokens.is_empty() {
            tracing::warn!("nobody may see this dashboard: {} is empty", DashboardFunction::RIGHTS.variable);
        }
        Ok(Self(Arc::new(Routers::new(app, aws, settings, function))))
    }

    /// Answers an invocation: a request of the function URL, or the question which code this is.
    ///
    /// # Errors
    /// When the payload is neither.
    pub async fn answer(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Error> {
        let LambdaEvent { payload, context } = event;
        if let Ok(Question { lamplighter }) = serde_json::from_str(payload.get())
            && lamplighter == "about"
        {
            return Ok(to_raw_value(&About::of(&DashboardFunction::new().function()))?);
        }
        let request: LambdaRequest = serde_json::from_str(payload.get())?;
        let routers = self.0.clone();
        let respond = service_fn(move |request| respond(routers.clone(), request));
        let response = Adapter::from(respond).oneshot(LambdaEvent { payload: request, context }).await?;
        Ok(to_raw_value(&response)?)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

async fn respond(routers: Arc<Routers>, mut request: Request) -> Result<Response<Body>, Infallible> {
    let began = Instant::now();
    let caller = Caller::of(request.extensions());
    let router = match timeout(SETUP, routers.router(&caller)).await {
        Ok(Ok(router)) => router,
        Ok(Err(error)) => {
            tracing::error!(%error, "the dashboard cannot be shown");
            return Ok(unavailable("The dashboard is not set up completely; its log says what is missing.\n"));
        }
        Err(_) => {
            tracing::error!("the dashboard cannot be shown: its secrets could not be read in time");
            return Ok(unavailable("The dashboard's secrets could not be read in time; try again.\n"));
        }
    };
    request.extensions_mut().insert(caller);
    let looks = looks_at_an_operation(&request);
    let response = router.oneshot(request.map(|body| axum::body::Body::from(body.to_vec()))).await?;
    let (head, body) = response.into_parts();
    // An answer is sent as a whole.
    let Ok(body) = axum::body::to_bytes(body, MOST_BYTES).await else {
        return Ok(unavailable("The answer is too large; ask for less.\n"));
    };
    // Nothing goes on here between two requests.
    if looks && matches!(head.status, StatusCode::OK | StatusCode::NOT_MODIFIED) {
        routers.go_on(REQUEST.saturating_sub(began.elapsed())).await;
    }
    Ok(Response::from_parts(head, Body::from(body.to_vec())))
}

fn unavailable(why: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(why));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}

fn looks_at_an_operation(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::GET
        && ["/operations/", "/api/v1/operations/"].iter().any(|start| path.starts_with(start))
}
