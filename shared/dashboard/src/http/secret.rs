//! Secrets: random texts, and signatures.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// The machine has no randomness to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system returned no random numbers, so nobody could be told from anybody else")]
pub struct NoRandomness;

/// A random text of 256 bits.
pub(crate) fn random_text() -> Result<String, NoRandomness> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random_bytes()?))
}

fn random_bytes() -> Result<[u8; 32], NoRandomness> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// The key by which cookies and forms are signed. Who has it can sign in as anybody.
///
/// A dashboard makes one of its own when it starts. Where several processes answer for one another, as on Lambda, they need the
/// same.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// A random key.
    ///
    /// # Errors
    /// When the system returns no random numbers.
    pub fn random() -> Result<Self, NoRandomness> {
        random_bytes().map(|bytes| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The key from a secret of at least 32 bytes that nobody can guess; `None` if it is shorter.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Option<Self> {
        (secret.len() >= 32).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The text with its signature. `purpose` keeps what is signed for one thing from being taken for another.
    pub(crate) fn sign(&self, purpose: &str, text: &str) -> String {
        format!("{}.{}", BASE64_URL_SAFE_NO_PAD.encode(text), self.signature(purpose, text))
    }

    /// The signature alone.
    pub(crate) fn signature(&self, purpose: &str, text: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, format!("{purpose}\0{text}").as_bytes()))
    }

    /// The text, if the signature is right.
    pub(crate) fn verified(&self, purpose: &str, signed: &str) -> Option<String> {
        let (text, signature) = signed.split_once('.')?;
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        self.is_signature(purpose, &text, signature).then_some(text)
    }

    /// Whether it is the signature of the text.
    pub(crate) fn is_signature(&self, purpose: &str, text: &str, signature: &str) -> bool {
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        hmac::verify(&self.0, format!("{purpose}\0{text}").as_bytes(), &signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_signs_and_only_for_its_purpose() {
        let (key, other) = (SigningKey::random().unwrap(), SigningKey::random().unwrap());
        let signed = key.sign("session", "ada");
        assert_eq!(key.verified("session", &signed).as_deref(), Some("ada"));
        assert_eq!(key.verified("form", &signed), None);
        assert_eq!(other.verified("session", &signed), None);
        for broken in ["", ".", "YWRh", "YWRh.", &signed[..signed.len() - 2], &format!("x{signed}")] {
            assert_eq!(key.verified("session", broken), None, "{broken}");
        }
        assert!(SigningKey::from_secret(b"short").is_none());
        assert_ne!(random_text().unwrap(), random_text().unwrap());
    }
}
