//! The gate: lets requests in, or does not.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::request::Parts,
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, StatusCode, header};

use super::{
    access::{Access, Identity, People},
    chrome::Chrome,
    form::Fields,
    hosts::Hosts,
    session::Sessions,
};
use crate::{
    desk::{Desk, Shared},
    problem::Problem,
    viewer::Viewer,
};

/// The largest body of a request: arguments of a megabyte, each byte of which takes three in a form.
pub(crate) const MOST_BYTES: usize = 4 << 20;
/// How long a request may take. Each question to the backend has a shorter time of its own.
const DEADLINE: Duration = Duration::from_secs(15);
/// How much longer one may take that counts all that match.
const BESIDE_COUNTING: Duration = Duration::from_secs(5);

/// What the gate knows.
pub(crate) struct Gate {
    pub(crate) shared: Arc<Shared>,
    pub(crate) access: Access,
    pub(crate) sessions: Sessions,
    pub(crate) hosts: Hosts,
    pub(crate) base: String,
    pub(crate) is_live: bool,
    pub(crate) is_read_only: bool,
}

/// Who was let in.
struct Admitted {
    viewer: Viewer,
    nonce: String,
    /// By a token, which no browser sends by itself.
    is_machine: bool,
}

/// Why somebody was not.
enum Refused {
    Problem(Problem),
    SignIn(String),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Lets a request in with the [`Desk`] of its viewer, and the [`Chrome`] of its page.
pub(crate) async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let counts = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "count=all"));
    let deadline = if counts { DEADLINE.max(gate.shared.patience() + BESIDE_COUNTING) } else { DEADLINE };
    let work = async {
        match gate.open(request).await {
            Ok((request, chrome)) => {
                let mut response = next.run(request).await;
                response.extensions_mut().insert(chrome);
                response
            }
            Err(Refused::Problem(problem)) => problem.into_response(),
            Err(Refused::SignIn(path)) => Redirect::to(&path).into_response(),
        }
    };
    let late = || Problem::unavailable("This took too long; try again, or ask for less.").into_response();
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| late())
}

impl Gate {
    async fn open(&self, request: Request) -> Result<(Request, Chrome), Refused> {
        let (parts, body) = request.into_parts();
        let admitted = self.identify(&parts).await?;
        let Admitted { mut viewer, nonce, is_machine } = admitted;
        if self.is_read_only {
            viewer.rights = viewer.rights.read_only();
        }
        let mut request = Request::from_parts(parts, body);
        if !is_safe(request.method()) {
            if !is_machine {
                let host = self.hosts.check_host(request.headers(), request.uri())?;
                self.hosts.check_origin(request.headers(), &host)?;
                request = self.check_form(request, &viewer, &nonce).await?;
            }
            if !viewer.rights.may_write() && request.uri().path() != "/sign-out" {
                return Err(Problem::forbidden("You may look at everything here, and change nothing.").into());
            }
        }
        let chrome = self.chrome(&request, &viewer, &nonce);
        request.extensions_mut().insert(Desk::new(self.shared.clone(), viewer));
        request.extensions_mut().insert(chrome.clone());
        Ok((request, chrome))
    }

    fn chrome(&self, request: &Request, viewer: &Viewer, nonce: &str) -> Chrome {
        let region = request.headers().get("x-region").and_then(|region| region.to_str().ok());
        Chrome {
            base: self.base.clone(),
            app: self.shared.site().app,
            environment: self.shared.site().environment.clone(),
            command: self.shared.site().command.clone(),
            csrf: self.sessions.form_token(viewer, nonce),
            // Only a session has a nonce.
            has_session: !nonce.is_empty(),
            viewer: viewer.clone(),
            is_live: self.is_live,
            here: request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned(),
            region: region.map(str::to_owned),
        }
    }

    async fn identify(&self, parts: &Parts) -> Result<Admitted, Refused> {
        let nobody = |detail: &str| Refused::from(Problem::unauthenticated(detail));
        if let Some(machine) = self.access.machine(&parts.headers) {
            let viewer = machine.map_err(|()| nobody("The token is not one that this dashboard knows."))?;
            return Ok(Admitted { viewer, nonce: String::new(), is_machine: true });
        }
        let session = || self.sessions.of(&parts.headers, self.shared.site().env.now());
        let of_session = |signed: super::session::SignedIn| Admitted {
            viewer: signed.viewer,
            nonce: signed.nonce,
            is_machine: false,
        };
        match &self.access.people {
            People::Nobody => Err(nobody("This takes the header Authorization with a token.")),
            People::Local(_) => session().map(of_session).ok_or_else(|| {
                nobody("Open the link that the command printed which runs this dashboard: it signs in once.")
            }),
            People::Known(by) => match by.authenticate(parts).await {
                Identity::Viewer(viewer) => Ok(Admitted { viewer, nonce: String::new(), is_machine: false }),
                Identity::Nobody => Err(nobody("You are not known here, or may not see this.")),
                Identity::Session { sign_in } => session().map(of_session).ok_or_else(|| self.sent_to(parts, &sign_in)),
            },
        }
    }

    /// Where a browser that looks at a page goes to sign in. Programs are told that they have not.
    fn sent_to(&self, parts: &Parts, sign_in: &str) -> Refused {
        let is_page = parts.method == Method::GET && wants_page(parts.uri.path(), &parts.headers);
        if !is_page || parts.headers.contains_key("x-region") {
            return Problem::unauthenticated("Sign in with a browser, or send a token.").into();
        }
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
        let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
        Refused::SignIn(format!("{}{sign_in}?next={next}", self.base))
    }

    /// Checks that a write is one that a page of this session has made: by its token, or as JSON, which no form can send, and no
    /// script of another site without asking.
    async fn check_form(&self, request: Request, viewer: &Viewer, nonce: &str) -> Result<Request, Problem> {
        if let Some(token) = request.headers().get("x-csrf-token").and_then(|token| token.to_str().ok()) {
            return self.check_token(Some(token), viewer, nonce).map(|()| request);
        }
        match content_type(request.headers()) {
            "application/json" => Ok(request),
            "application/x-www-form-urlencoded" => {
                let (parts, body) = request.into_parts();
                let body = read(body).await?;
                self.check_token(Fields::of_body(&body)?.get("csrf"), viewer, nonce)?;
                Ok(Request::from_parts(parts, Body::from(body)))
            }
            "" => self.check_token(None, viewer, nonce).map(|()| request),
            _ => Err(unsupported()),
        }
    }

    fn check_token(&self, token: Option<&str>, viewer: &Viewer, nonce: &str) -> Result<(), Problem> {
        let is_own = token.is_some_and(|token| self.sessions.is_form_token(viewer, nonce, token));
        is_own.then_some(()).ok_or_else(|| {
            Problem::of_status(
                StatusCode::FORBIDDEN,
                "foreign-form",
                "From another session",
                "The form does not belong to your session, which may have ended: load its page again.",
            )
        })
    }
}

fn unsupported() -> Problem {
    let detail = "A write is JSON: send it with the header Content-Type: application/json.";
    Problem::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-type", "Not JSON", detail)
}

/// Fails unless a body is JSON.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    (content_type(headers) == "application/json").then_some(()).ok_or_else(unsupported)
}

/// The body, if it is not too large.
pub(crate) async fn read(body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| {
        let detail = format!("A request has at most {} MiB.", MOST_BYTES >> 20);
        Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", &detail)
    })
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether an answer is to be a page.
pub(crate) fn wants_page(path: &str, headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    !path.starts_with("/api/") && accepted.any(|value| value.contains("text/html"))
}
