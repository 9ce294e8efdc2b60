//! Sessions: who has signed in, in a signed cookie. There is nothing to store but which ones were ended early, and that only for
//! as long as the process runs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::secret::{NoRandomness, SigningKey, random_text};
use crate::viewer::Viewer;

/// How long somebody stays signed in.
pub const SESSION: Duration = Duration::from_secs(12 * 3600);
const PURPOSE: &str = "session";
const FORM: &str = "form";
/// The sessions of which it is remembered that they were ended. Each is one that somebody has signed in for.
const MOST_ENDED: usize = 10_000;

/// Issues and reads sessions. Clones share the key, and which sessions were ended.
#[derive(Debug, Clone)]
pub struct Sessions {
    key: SigningKey,
    cookie: String,
    is_secure: bool,
    /// Sessions that were ended before their time, until then.
    ended: Arc<Mutex<BTreeSet<(Timestamp, String)>>>,
}

#[derive(Serialize, Deserialize)]
struct Session {
    name: String,
    rights: String,
    until: Timestamp,
    /// Distinguishes sessions of one viewer: a form's token belongs to one of them.
    nonce: String,
}

/// A session that was read from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedIn {
    pub(crate) viewer: Viewer,
    pub(crate) nonce: String,
}

impl Sessions {
    /// Sessions under a key. Over HTTPS, the cookie is bound to this host; else its name is made from the key, so that two
    /// dashboards on different ports of one machine do not sign each other's viewers out.
    #[must_use]
    pub fn new(key: SigningKey, is_secure: bool) -> Self {
        let cookie = match is_secure {
            true => "__Host-lamplighter".to_owned(),
            false => {
                let name: String = key.signature("cookie", "").chars().filter(char::is_ascii_alphanumeric).collect();
                format!("lamplighter-{}", name.get(..8).unwrap_or(&name))
            }
        };
        Self { key, cookie, is_secure, ended: Arc::default() }
    }

    /// The header `Set-Cookie` that signs a viewer in.
    ///
    /// # Errors
    /// When the system returns no random numbers.
    pub fn begin(&self, viewer: &Viewer, now: Timestamp) -> Result<HeaderValue, NoRandomness> {
        let session = Session {
            name: viewer.name.clone(),
            rights: viewer.rights.to_string(),
            until: now.saturating_add(SESSION).unwrap_or(Timestamp::MAX),
            nonce: random_text()?,
        };
        let text = serde_json::to_string(&session).unwrap_or_default();
        Ok(self.header(&self.key.sign(PURPOSE, &text), SESSION))
    }

    /// The header `Set-Cookie` that signs out.
    #[must_use]
    pub fn end(&self) -> HeaderValue {
        self.header("", Duration::ZERO)
    }

    /// Ends the session of a request, for this process: its cookie signs nobody in any more, wherever a copy of it is.
    pub(crate) fn forget(&self, headers: &HeaderMap, now: Timestamp) {
        let sessions: Vec<_> = self.all(headers).filter(|session| now < session.until).collect();
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Those whose time has come are refused anyway.
        *ended = ended.split_off(&(now, String::new()));
        ended.extend(sessions.into_iter().map(|session| (session.until, session.nonce)));
        while ended.len() > MOST_ENDED {
            ended.pop_first();
        }
    }

    fn header(&self, value: &str, lasts: Duration) -> HeaderValue {
        let (name, seconds) = (&self.cookie, lasts.as_secs());
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
        // Base64 and plain words.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Who has signed in, if somebody has.
    pub(crate) fn of(&self, headers: &HeaderMap, now: Timestamp) -> Option<SignedIn> {
        self.all(headers).find_map(|session| self.signed_in(session, now))
    }

    /// The sessions of a request that were begun here.
    fn all<'h>(&'h self, headers: &'h HeaderMap) -> impl Iterator<Item = Session> + 'h {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|all| all.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let own = pairs.filter(|(name, _)| *name == self.cookie);
        own.filter_map(|(_, value)| serde_json::from_str(&self.key.verified(PURPOSE, value)?).ok())
    }

    fn signed_in(&self, session: Session, now: Timestamp) -> Option<SignedIn> {
        let Session { name, rights, until, nonce } = session;
        let key = (until, nonce);
        let is_ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains(&key);
        (now < until && !is_ended).then_some(())?;
        Some(SignedIn { viewer: Viewer { name, rights: rights.parse().ok()? }, nonce: key.1 })
    }

    /// The token of the forms of a session, or of a viewer who is known without one.
    pub(crate) fn form_token(&self, viewer: &Viewer, nonce: &str) -> String {
        self.key.signature(FORM, &format!("{nonce}\0{}", viewer.name))
    }

    /// Whether it is that token.
    pub(crate) fn is_form_token(&self, viewer: &Viewer, nonce: &str, token: &str) -> bool {
        self.key.is_signature(FORM, &format!("{nonce}\0{}", viewer.name), token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::viewer::{ActionKind, Rights};

    fn headers(set_cookie: &HeaderValue) -> HeaderMap {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&format!("a=b; {pair}; c=d")).unwrap())])
    }

    #[test]
    fn a_session_says_who_signed_in_until_it_ends() {
        let sessions = Sessions::new(SigningKey::random().unwrap(), true);
        let viewer = Viewer::new("ada; x=\"1\"", Rights::operator().deny(ActionKind::Delete).only_queues(["webhooks"]));
        let now = Timestamp::UNIX_EPOCH;
        let cookie = sessions.begin(&viewer, now).unwrap();
        let text = cookie.to_str().unwrap();
        assert!(
            text.starts_with("__Host-lamplighter=") && text.ends_with("; HttpOnly; SameSite=Strict; Secure"),
            "{text}"
        );
        let headers = headers(&cookie);
        let read = sessions.of(&headers, now).unwrap();
        assert_eq!(read.viewer, viewer);
        assert!(sessions.of(&headers, now + SESSION).is_none());
        let others = Sessions::new(SigningKey::random().unwrap(), true);
        assert!(others.of(&headers, now).is_none());
        assert!(sessions.of(&HeaderMap::new(), now).is_none());
    }

    #[test]
    fn a_session_that_was_ended_signs_nobody_in_and_others_go_on() {
        let sessions = Sessions::new(SigningKey::random().unwrap(), false);
        let (viewer, now) = (Viewer::new("ada", Rights::operator()), Timestamp::UNIX_EPOCH);
        let (one, two) = (sessions.begin(&viewer, now).unwrap(), sessions.begin(&viewer, now).unwrap());
        let clone = sessions.clone();
        sessions.forget(&headers(&one), now);
        assert!(clone.of(&headers(&one), now).is_none() && clone.of(&headers(&two), now).is_some());
        // It is remembered for as long as it would have lasted.
        sessions.forget(&headers(&two), now + SESSION - Duration::from_secs(1));
        assert_eq!(sessions.ended.lock().unwrap().len(), 2);
        sessions.forget(&HeaderMap::new(), now + SESSION + Duration::from_secs(1));
        assert!(sessions.ended.lock().unwrap().is_empty());
    }

    #[test]
    fn a_form_belongs_to_one_session() {
        let sessions = Sessions::new(SigningKey::random().unwrap(), false);
        let (ada, bob) = (Viewer::new("ada", Rights::operator()), Viewer::new("bob", Rights::operator()));
        let token = sessions.form_token(&ada, "1");
        assert!(sessions.is_form_token(&ada, "1", &token));
        assert!(!sessions.is_form_token(&ada, "2", &token));
        assert!(!sessions.is_form_token(&bob, "1", &token));
        assert!(!sessions.is_form_token(&ada, "1", ""));
    }

    #[test]
    fn two_dashboards_on_one_machine_have_cookies_of_their_own() {
        let name = |sessions: &Sessions| sessions.end().to_str().unwrap().split('=').next().unwrap().to_owned();
        let (a, b) =
            (Sessions::new(SigningKey::random().unwrap(), false), Sessions::new(SigningKey::random().unwrap(), false));
        assert_ne!(name(&a), name(&b));
    }
}
