//! Settings for signing in.

use std::fmt;

use url::Url;

use super::{
    cookie::MIN_SECRET,
    public_url::{self, PublicUrl},
};
use crate::rules::Rules;

/// Settings for signing in with an OpenID provider. Secrets are never shown.
#[derive(Clone)]
pub struct OpenIdSettings {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    pub(super) session_secret: String,
    pub(super) public_url: String,
    pub(super) rules: Rules,
    pub(super) groups_claim: String,
    pub(super) scopes: Vec<String>,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOpenId {
    /// The public URL.
    #[error("the dashboard's public URL: {0}")]
    PublicUrl(String),
    /// The issuer.
    #[error("the OpenID provider's issuer: {0:?} is not an https URL; http is for localhost only")]
    Issuer(String),
    /// The client id.
    #[error("the client id is empty; register the dashboard with the OpenID provider, which gives one")]
    ClientId,
    /// The secrets of sessions.
    #[error(
        "the secret that sessions are signed with has fewer than {MIN_SECRET} characters; make one with `openssl rand -base64 32`"
    )]
    SessionSecret,
}

impl OpenIdSettings {
    /// A client of the provider with this issuer URL, for a dashboard that browsers reach under `public_url`,
    /// with the path at which it is nested, if it is. What people may
    /// do is said by the rules, when they sign in. The secret has 32 characters or more; anyone who has it can be anybody.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        client_id: impl Into<String>,
        public_url: impl Into<String>,
        rules: Rules,
        session_secret: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            session_secret: session_secret.into(),
            public_url: public_url.into(),
            rules,
            groups_claim: "groups".into(),
            scopes: vec!["email".into(), "profile".into()],
        }
    }

    /// The client's secret at the provider. Without one it is a public client, which PKCE alone protects.
    #[must_use]
    pub fn client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some(secret.into()).filter(|secret| !secret.is_empty());
        self
    }

    /// The claim that lists a person's groups, instead of `groups`: `cognito:groups`, or a path such as `realm_access.roles`.
    #[must_use]
    pub fn groups_claim(mut self, claim: impl Into<String>) -> Self {
        self.groups_claim = claim.into();
        self
    }

    /// The scopes to ask for besides `openid`, instead of `email` and `profile`.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn check(&self) -> Result<PublicUrl, InvalidOpenId> {
        let public = PublicUrl::new(&self.public_url).map_err(InvalidOpenId::PublicUrl)?;
        if !is_safe(&self.issuer) {
            return Err(InvalidOpenId::Issuer(self.issuer.clone()));
        }
        if self.client_id.is_empty() {
            return Err(InvalidOpenId::ClientId);
        }
        if self.session_secret.len() < MIN_SECRET {
            return Err(InvalidOpenId::SessionSecret);
        }
        Ok(public)
    }
}

/// Returns whether what is sent to that URL cannot be read on the way.
pub(super) fn is_safe(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| public_url::is_safe(&url))
}

impl fmt::Debug for OpenIdSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
