//! Who gets in.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use axum::{Router, http::request::Parts};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::{
    secret::{NoRandomness, random_text},
    session::Sessions,
};
use crate::viewer::{InvalidRights, Rights, Viewer};

/// Who gets in, and how. One way for people, and tokens for programs.
#[derive(Clone)]
pub struct Access {
    pub(crate) people: People,
    pub(crate) tokens: Vec<MachineToken>,
}

#[derive(Clone)]
pub(crate) enum People {
    /// Nobody, but for tokens.
    Nobody,
    /// Who has a link that is good for one time.
    Local(SignIn),
    /// Whom something else knows.
    Known(Arc<dyn Authenticate>),
}

impl Access {
    /// For one person at one machine: a link that is good for one time signs in. It is made by the [`SignIn`], under this name.
    #[must_use]
    pub fn local(viewer: Viewer) -> (Self, SignIn) {
        let sign_in = SignIn(Arc::new(Links { viewer, open: Mutex::default() }));
        (Self { people: People::Local(sign_in.clone()), tokens: Vec::new() }, sign_in)
    }

    /// For a service that knows its users: the function says who sends a request, if anybody may.
    ///
    /// What it relies on must not be sent by a browser on behalf of another site without being noticed: writes are checked for
    /// their origin all the same.
    #[must_use]
    pub fn custom(viewer: impl Fn(&Parts) -> Option<Viewer> + Send + Sync + 'static) -> Self {
        Self::authenticated(Arc::new(Custom(viewer)))
    }

    /// By a sign-in of another kind.
    #[must_use]
    pub fn authenticated(by: Arc<dyn Authenticate>) -> Self {
        Self { people: People::Known(by), tokens: Vec::new() }
    }

    /// For programs alone.
    #[must_use]
    pub const fn machines() -> Self {
        Self { people: People::Nobody, tokens: Vec::new() }
    }

    /// Also lets programs in that have one of these tokens.
    #[must_use]
    pub fn tokens(mut self, tokens: impl IntoIterator<Item = MachineToken>) -> Self {
        self.tokens.extend(tokens);
        self
    }

    /// Who has the token of a request, if it has one: the header `Authorization: Bearer …`.
    pub(crate) fn machine(&self, headers: &HeaderMap) -> Option<Result<Viewer, ()>> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| {
            let digest = digest(token.trim());
            // All are compared, and of digests nothing can be learnt by the time that takes.
            let mut fitting = self.tokens.iter().filter(|known| known.digest == digest);
            fitting.next().map(|known| known.viewer.clone()).ok_or(())
        })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let people = match &self.people {
            People::Nobody => "nobody",
            People::Local(_) => "local",
            People::Known(_) => "known",
        };
        f.debug_struct("Access").field("people", &people).field("tokens", &self.tokens.len()).finish()
    }
}

/// Says who sends a request.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// Who sends this request.
    async fn authenticate(&self, parts: &Parts) -> Identity;

    /// What nobody needs to be signed in for, below the dashboard's base: where a sign-in begins and ends.
    fn routes(&self, sessions: &Sessions) -> Router {
        let _ = sessions;
        Router::new()
    }
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// Somebody who may come in.
    Viewer(Viewer),
    /// People who have signed in with a session of the dashboard's own; others are sent to this path below the base.
    Session {
        /// The path.
        sign_in: String,
    },
    /// Nobody who may.
    Nobody,
}

struct Custom<F>(F);

#[async_trait]
impl<F: Fn(&Parts) -> Option<Viewer> + Send + Sync + 'static> Authenticate for Custom<F> {
    async fn authenticate(&self, parts: &Parts) -> Identity {
        (self.0)(parts).map_or(Identity::Nobody, Identity::Viewer)
    }
}

/// Makes links that sign in, once each.
#[derive(Clone)]
pub struct SignIn(Arc<Links>);

struct Links {
    viewer: Viewer,
    open: Mutex<VecDeque<[u8; 32]>>,
}

impl SignIn {
    /// Links that are good at the same time: a further one ends the oldest.
    const MOST: usize = 16;

    /// A new link: a path below the dashboard's base. It signs in once.
    ///
    /// # Errors
    /// When the system returns no random numbers.
    pub fn path(&self) -> Result<String, NoRandomness> {
        let token = random_text()?;
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push_back(digest(&token));
        while open.len() > Self::MOST {
            open.pop_front();
        }
        Ok(format!("/sign-in?token={token}"))
    }

    /// Who comes by a link, once.
    pub(crate) fn redeem(&self, token: &str) -> Option<&Viewer> {
        let digest = digest(token);
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let place = open.iter().position(|known| *known == digest)?;
        open.remove(place).map(|_| &self.0.viewer)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("viewer", &self.0.viewer.name).finish_non_exhaustive()
    }
}

/// A token by which a program gets in. The token itself is nowhere but with the program: this is its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineToken {
    viewer: Viewer,
    digest: [u8; 32],
}

impl MachineToken {
    /// A new token: what the program sends, and what lets it in.
    ///
    /// # Errors
    /// When the system returns no random numbers.
    pub fn generate(viewer: Viewer) -> Result<(String, Self), NoRandomness> {
        let token = random_text()?;
        let digest = digest(&token);
        Ok((token, Self { viewer, digest }))
    }

    /// Whom it lets in, and what they may do.
    #[must_use]
    pub const fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Reads `name:rights:sha256`, where `sha256` is the hexadecimal digest of the token:
    /// `deploy:reader,retry,queue=webhooks:9f86d081…`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let mut parts = text.trim().splitn(3, ':');
        let (Some(name), Some(rights), Some(digest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidToken::Form);
        };
        if name.is_empty() {
            return Err(InvalidToken::Form);
        }
        let rights: Rights = rights.parse()?;
        let digest = hexadecimal(digest).ok_or(InvalidToken::Digest)?;
        Ok(Self { viewer: Viewer::new(name, rights), digest })
    }
}

/// Why a text is not a machine's token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It has not three parts.
    #[error("a token is written as name:rights:sha256, such as deploy:reader,retry:9f86d0…")]
    Form,
    /// Its rights are not understood.
    #[error(transparent)]
    Rights(#[from] InvalidRights),
    /// Its digest is none.
    #[error("the last part of a token is the SHA-256 digest of what the program sends: 64 hexadecimal digits")]
    Digest,
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn hexadecimal(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(token: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
    }

    #[test]
    fn a_link_signs_in_once() {
        let (_, sign_in) = Access::local(Viewer::new("ada", Rights::operator()));
        let path = sign_in.path().unwrap();
        let token = path.split_once("token=").unwrap().1;
        assert!(sign_in.redeem("other").is_none());
        assert_eq!(sign_in.redeem(token).map(|viewer| &*viewer.name), Some("ada"));
        assert!(sign_in.redeem(token).is_none());
        for _ in 0..=SignIn::MOST {
            sign_in.path().unwrap();
        }
        assert_eq!(sign_in.0.open.lock().unwrap().len(), SignIn::MOST);
    }

    #[test]
    fn a_program_gets_in_by_a_token_of_which_only_the_digest_is_known() {
        let text = "deploy:reader,retry:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let access = Access::machines().tokens([MachineToken::parse(text).unwrap()]);
        let viewer = access.machine(&bearer("test")).unwrap().unwrap();
        assert_eq!((&*viewer.name, viewer.rights.to_string()), ("deploy", "reader,retry".into()));
        assert_eq!(access.machine(&bearer("tset")), Some(Err(())));
        assert_eq!(access.machine(&HeaderMap::new()), None);
        let (token, known) = MachineToken::generate(viewer).unwrap();
        let access = access.tokens([known]);
        assert!(access.machine(&bearer(&token)).unwrap().is_ok());
    }

    #[test]
    fn a_token_that_is_none_says_why() {
        for text in
            ["", "deploy", "deploy:reader", ":reader:00", "deploy:admin:00", "deploy:reader:00", "deploy:reader:é"]
        {
            assert!(MachineToken::parse(text).is_err(), "{text}");
        }
    }
}
