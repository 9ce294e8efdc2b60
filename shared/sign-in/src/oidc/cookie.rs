//! Signed cookies: what the server has said once, kept by the browser.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::hmac;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The most bytes of a cookie's value. Browsers keep 4096 of a cookie in all (RFC 6265, section 6.1).
pub(crate) const MAX_BYTES: usize = 3800;
/// The fewest characters of a secret.
pub(crate) const MIN_SECRET: usize = 32;

/// Signs cookies of one kind, and recognises them.
pub(crate) struct Seal {
    kind: &'static str,
    key: hmac::Key,
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    /// When it ends, in seconds since 1970.
    until: i64,
    value: T,
}

impl Seal {
    /// Cookies of this kind, which are not accepted as those of another.
    pub(crate) fn new(kind: &'static str, secret: &str) -> Self {
        Self { kind, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }

    /// Returns a cookie's value; `None` if it is too long to be kept.
    pub(crate) fn seal(&self, value: &impl Serialize, until: Timestamp) -> Option<String> {
        let text = serde_json::to_vec(&Sealed { until: until.as_second(), value }).ok()?;
        let text = URL_SAFE_NO_PAD.encode(text);
        let tag = hmac::sign(&self.key, self.signed(&text).as_bytes());
        let sealed = format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag));
        (sealed.len() <= MAX_BYTES).then_some(sealed)
    }

    /// Returns what a cookie says, if it was signed here and has not ended.
    pub(crate) fn open<T: DeserializeOwned>(&self, cookie: &str, now: Timestamp) -> Option<T> {
        let (text, tag) = cookie.split_once('.').filter(|_| cookie.len() <= MAX_BYTES)?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let signed = self.signed(text);
        // Compared in constant time.
        hmac::verify(&self.key, signed.as_bytes(), &tag).ok()?;
        let sealed: Sealed<T> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        (now.as_second() < sealed.until).then_some(sealed.value)
    }

    /// Returns a secret that belongs to a value, without keeping it anywhere.
    pub(crate) fn derive(&self, value: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("{}:derive:{value}", self.kind).as_bytes()))
    }

    fn signed(&self, text: &str) -> String {
        format!("{}:cookie:{text}", self.kind)
    }
}

/// Returns a cookie among those that a browser has sent. `__Host-` cookies cannot be set by other hosts of the domain, nor without
/// TLS (RFC 6265bis, section 4.1.3.2).
pub(crate) fn named<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|one| one.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn secret(letter: &str) -> String {
        letter.repeat(MIN_SECRET)
    }

    #[test]
    fn what_was_signed_is_read_until_it_ends() {
        let seal = Seal::new("session", &secret("a"));
        let cookie = seal.seal(&"ada", now() + 1.hour()).unwrap();
        assert_eq!(seal.open::<String>(&cookie, now()).as_deref(), Some("ada"));
        assert_eq!(seal.open::<String>(&cookie, now() + 1.hour()), None);
    }

    #[test]
    fn no_byte_of_a_cookie_can_be_changed() {
        let seal = Seal::new("session", &secret("a"));
        let cookie = seal.seal(&"ada", now() + 1.hour()).unwrap();
        for at in 0..cookie.len() {
            for other in [b'A', b'B', b'.', b'='] {
                let mut bytes = cookie.clone().into_bytes();
                if bytes[at] == other {
                    continue;
                }
                bytes[at] = other;
                let changed = String::from_utf8(bytes).unwrap();
                // The last character of base64 has bits without a meaning; this decoder refuses those too.
                assert_eq!(seal.open::<String>(&changed, now()), None, "{at}");
            }
        }
        let (text, _) = cookie.split_once('.').unwrap();
        for forged in ["", ".", text, &format!("{text}."), &"a".repeat(10_000)] {
            assert_eq!(seal.open::<String>(forged, now()), None, "{forged}");
        }
    }

    #[test]
    fn a_cookie_of_another_kind_or_secret_is_not_accepted() {
        let cookie = Seal::new("sign-in", &secret("a")).seal(&"ada", now() + 1.hour()).unwrap();
        assert_eq!(Seal::new("session", &secret("a")).open::<String>(&cookie, now()), None);
        assert_eq!(Seal::new("sign-in", &secret("b")).open::<String>(&cookie, now()), None);
    }

    #[test]
    fn a_cookie_that_no_browser_keeps_is_not_made() {
        let seal = Seal::new("session", &secret("a"));
        assert_eq!(seal.seal(&"a".repeat(MAX_BYTES), now() + 1.hour()), None);
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        assert_eq!(named("a=1; session=2;b=3", "session"), Some("2"));
        assert_eq!(named("xsession=1; session2=2", "session"), None);
        assert_eq!(named("session", "session"), None);
    }
}
