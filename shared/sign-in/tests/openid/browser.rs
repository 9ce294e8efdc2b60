//! A browser: it keeps cookies, and follows nothing by itself.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use lamplighter::{App, env::Env};
use lamplighter_dashboard::{Access, Dashboard, Site, http::SigningKey};
use lamplighter_embedded::SqliteBackend;
use lamplighter_fakes::OpenId as FakeOpenId;
use lamplighter_sign_in::{OpenId, OpenIdSettings};
use serde_json::Value;
use tower::ServiceExt;

use crate::provider::Provider;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A dashboard that people sign in to.
pub(crate) fn dashboard(provider: &Provider, rules: &str) -> Router {
    let (url, rules) = ("https://jobs.example.com", rules.parse().unwrap());
    let settings = OpenIdSettings::new(provider.issuer(), FakeOpenId::CLIENT, url, rules, SECRET);
    router(&settings.client_secret(FakeOpenId::CLIENT_SECRET))
}

pub(crate) fn router(settings: &OpenIdSettings) -> Router {
    let open_id = OpenId::new(settings).unwrap();
    let backend = SqliteBackend::memory(Env::system()).unwrap();
    let site = Site::new(&App::new("shop"), backend.backend(), Env::system(), backend.operator());
    let dashboard = Dashboard::new(site, Access::authenticated(Arc::new(open_id))).unwrap();
    let key = SigningKey::from_secret(SECRET.as_bytes()).unwrap();
    dashboard.signing_key(key).public_url("https://jobs.example.com").unwrap().router()
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }
}

pub(crate) struct Browser {
    dashboard: Router,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(dashboard: &Router) -> Self {
        Self { dashboard: dashboard.clone(), cookies: BTreeMap::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).header(header::ACCEPT, "text/html").body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn api(&mut self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.headers_mut().insert(header::HOST, "jobs.example.com".parse().unwrap());
        if !cookies.is_empty() {
            request.headers_mut().insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        let (head, body) = self.dashboard.clone().oneshot(request).await.unwrap().into_parts();
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{text}");
            for word in ["Path=/", "HttpOnly", "Secure", "SameSite="] {
                assert!(text.contains(word), "{text}");
            }
            match text.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => drop(self.cookies.insert(name.into(), value.into())),
            }
        }
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// Begins to sign in, and consents at the provider: the path that the provider sends the browser back to.
    pub(crate) async fn consent(&mut self, provider: &Provider, page: &str) -> String {
        let first = self.get(page).await;
        assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
        let begun = self.get(first.location()).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER, "{}", begun.body);
        let (code, state) = provider.consent(begun.location());
        format!("/sign-in/callback?code={code}&state={state}")
    }

    /// Signs in.
    pub(crate) async fn sign_in(&mut self, provider: &Provider, page: &str) -> Answer {
        let back = self.consent(provider, page).await;
        self.api(&back).await
    }

    /// Returns whether there is a session.
    pub(crate) fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("__Host-lamplighter")
    }
}
