//! Signing in with an OpenID provider: the code flow with PKCE. The session that follows is the dashboard's own.
//!
//! Nothing is kept on the server, so that any number of processes answer, and a Lambda function does. What a sign-in is
//! recognised by when it comes back is in a cookie of ten minutes, bound to the browser that began it.

mod cookie;
mod http;
mod pages;
mod provider;
mod public_url;
mod settings;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts},
    response::IntoResponse,
    routing::get,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use lamplighter_dashboard::{
    Problem,
    http::{Authenticate, Identity, Sessions},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

pub use self::settings::{InvalidOpenId, OpenIdSettings};
use self::{
    cookie::{Seal, named},
    provider::{Marks, Provider, ProviderError},
    public_url::PublicUrl,
};
use crate::rules::Rules;

/// How long a sign-in may take.
const LIMIT: Duration = Duration::from_secs(600);
const COOKIE: &str = "lamplighter-sign-in";

/// Lets people sign in with an OpenID provider: for [`Access::authenticated`](lamplighter_dashboard::Access). Cloning is
/// cheap.
///
/// The dashboard needs a [`SigningKey`](lamplighter_dashboard::http::SigningKey) of the same secret, where several processes answer
/// for one another.
#[derive(Clone)]
pub struct OpenId(Arc<Inner>);

struct Inner {
    public: PublicUrl,
    provider: Provider,
    seal: Seal,
    rules: Rules,
    random: SystemRandom,
}

/// A sign-in that has begun.
#[derive(Serialize, Deserialize)]
struct Begun {
    state: String,
    nonce: String,
    /// Where to go afterwards.
    next: String,
}

#[derive(Deserialize)]
struct Begin {
    #[serde(default)]
    next: String,
}

/// What the provider sends the browser back with.
#[derive(Deserialize)]
struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

impl OpenId {
    /// The path at which a sign-in begins, below the dashboard's.
    pub const SIGN_IN: &'static str = "/sign-in";
    /// The path that the provider sends browsers back to, below the dashboard's: register its URL there.
    pub const CALLBACK: &'static str = "/sign-in/callback";

    /// A client with these settings. The provider is asked when somebody signs in.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(settings: &OpenIdSettings) -> Result<Self, InvalidOpenId> {
        let public = settings.check()?;
        let provider = Provider::new(settings, public.below(Self::CALLBACK));
        let (seal, random) = (Seal::new(COOKIE, &settings.session_secret), SystemRandom::new());
        Ok(Self(Arc::new(Inner { public, provider, seal, rules: settings.rules.clone(), random })))
    }

    async fn begin(&self, next: &str) -> Result<Response<Body>, ProviderError> {
        // Signing in again and again would be all that somebody sees.
        let next = if next.starts_with(Self::SIGN_IN) { "/" } else { next };
        let begun = Begun { state: self.random()?, nonce: self.random()?, next: self.0.public.page(next) };
        let address = self.0.provider.address(&self.marks(&begun)).await?;
        let sealed = self.0.seal.seal(&begun, Timestamp::now() + LIMIT);
        let cookie = sealed.and_then(|sealed| self.set_cookie(&sealed, LIMIT));
        let response = pages::see_other(&address).zip(cookie).map(|(mut response, cookie)| {
            response.headers_mut().append(header::SET_COOKIE, cookie);
            response
        });
        response.ok_or_else(|| ProviderError::Unavailable("its address cannot be sent to a browser".into()))
    }

    /// The sign-in that the provider answers is the one that this browser began, or none.
    async fn back(
        &self,
        sessions: &Sessions,
        headers: &HeaderMap,
        back: Back,
    ) -> Result<Response<Body>, ProviderError> {
        let refused = |why: &str| ProviderError::Refused(why.to_owned());
        let cookie = self.cookie(headers);
        let begun: Begun = cookie
            .and_then(|cookie| self.0.seal.open(cookie, Timestamp::now()))
            .ok_or_else(|| refused("this browser has not begun to sign in, or too long ago"))?;
        // Anyone who can measure how long this takes has the cookie already.
        if back.state.as_ref() != Some(&begun.state) {
            return Err(refused("the provider answers another sign-in than the one that this browser began"));
        }
        if back.error.is_some() {
            return Err(refused("the provider did not sign you in"));
        }
        let code = back.code.filter(|code| !code.is_empty()).ok_or_else(|| refused("the provider sent no code"))?;
        let known = self.0.provider.identify(&code, &self.marks(&begun)).await?;
        let Some(viewer) = self.0.rules.viewer(&known) else {
            tracing::warn!(name = known.name, "signed in without rights");
            let why =
                format!("you are known as {}, and no rule lets you see this dashboard; ask its operators", known.name);
            return Err(ProviderError::Refused(why));
        };
        let session = sessions.begin(&viewer, Timestamp::now());
        let session = session.map_err(|error| ProviderError::Unavailable(error.to_string()))?;
        tracing::info!(name = viewer.name, rights = %viewer.rights, "signed in");
        let mut response = pages::signed_in(&viewer.name, &begun.next);
        response.headers_mut().append(header::SET_COOKIE, session);
        Ok(response)
    }

    fn marks(&self, begun: &Begun) -> Marks {
        let verifier = self.0.seal.derive(&begun.state);
        Marks { state: begun.state.clone(), nonce: begun.nonce.clone(), verifier }
    }

    fn random(&self) -> Result<String, ProviderError> {
        let mut bytes = [0; 24];
        let filled = self.0.random.fill(&mut bytes);
        filled.map_err(|_| ProviderError::Unavailable("this machine returned no random numbers".into()))?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    fn cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = self.cookie_name();
        headers.get_all(header::COOKIE).iter().find_map(|header| named(header.to_str().ok()?, &name))
    }

    fn cookie_name(&self) -> String {
        if self.0.public.is_https() { format!("__Host-{COOKIE}") } else { COOKIE.to_owned() }
    }

    /// The provider sends the browser back from another site, so `Strict` would keep it away.
    fn set_cookie(&self, value: &str, life: Duration) -> Option<HeaderValue> {
        let secure = if self.0.public.is_https() { "; Secure" } else { "" };
        let (name, seconds) = (self.cookie_name(), life.as_secs());
        HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"))
            .ok()
    }
}

fn failed(error: &ProviderError) -> Response<Body> {
    tracing::warn!(%error, "nobody was signed in");
    let (status, code, title) = match error {
        ProviderError::Unavailable(_) => {
            (StatusCode::BAD_GATEWAY, "sign-in-unavailable", "Signing in is not possible now")
        }
        ProviderError::Refused(_) => (StatusCode::FORBIDDEN, "not-signed-in", "Not signed in"),
    };
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map_or_else(String::new, |first| first.to_uppercase().collect());
    Problem { status, code, title, detail: format!("{first}{}.", characters.as_str()), parameter: None }.into_response()
}

#[async_trait]
impl Authenticate for OpenId {
    async fn authenticate(&self, _: &Parts) -> Identity {
        Identity::Session { sign_in: Self::SIGN_IN.into() }
    }

    fn routes(&self, sessions: &Sessions) -> Router {
        Router::new()
            .route(Self::SIGN_IN, get(begin).head(nothing))
            .route(Self::CALLBACK, get(back).head(nothing))
            .with_state((self.clone(), sessions.clone()))
    }
}

/// Who asks for the head alone begins no sign-in, and uses none up.
async fn nothing() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn begin(State((open_id, _)): State<(OpenId, Sessions)>, Query(Begin { next }): Query<Begin>) -> Response<Body> {
    open_id.begin(&next).await.unwrap_or_else(|error| failed(&error))
}

/// However it ends, the browser's mark is used up.
async fn back(
    State((open_id, sessions)): State<(OpenId, Sessions)>,
    headers: HeaderMap,
    Query(back): Query<Back>,
) -> Response<Body> {
    let mut response = open_id.back(&sessions, &headers, back).await.unwrap_or_else(|error| failed(&error));
    if let Some(cookie) = open_id.set_cookie("", Duration::ZERO) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

impl fmt::Debug for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenId")
            .field("public_url", &self.0.public)
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}
