//! Signatures by the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

/// Signs with one secret, or with several while they are being rotated: a receiver that knows any of them accepts the
/// signature.
#[derive(Clone)]
pub struct Signer(Vec<hmac::Key>);

/// A text that is not a secret. The text itself is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing there.
    #[error("it contains no secret")]
    Empty,
    /// Without the prefix.
    #[error("a secret begins with whsec_")]
    Prefix,
    /// Not base64.
    #[error("what follows whsec_ must be base64")]
    Base64,
    /// Too short or too long.
    #[error("a secret has 24 to 64 bytes before base64, and this one has {0}; `openssl rand -base64 32` makes one")]
    Length(usize),
}

impl Signer {
    /// Reads one secret, or several separated by spaces: `whsec_` and the base64 of 24 to 64 random bytes, as the
    /// specification requires.
    ///
    /// # Errors
    /// [`InvalidSecret`], without the secret.
    pub fn new(secrets: &str) -> Result<Self, InvalidSecret> {
        let keys = secrets.split_whitespace().map(key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(InvalidSecret::Empty) } else { Ok(Self(keys)) }
    }

    /// The value of `webhook-signature`: `v1,` and the base64 of the signature, for each secret.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut signatures = String::with_capacity(48 * self.0.len());
        for key in &self.0 {
            let mut context = hmac::Context::with_key(key);
            context.update(format!("{id}.{timestamp}.").as_bytes());
            context.update(body);
            if !signatures.is_empty() {
                signatures.push(' ');
            }
            signatures.push_str("v1,");
            STANDARD.encode_string(context.sign(), &mut signatures);
        }
        signatures
    }
}

fn key(secret: &str) -> Result<hmac::Key, InvalidSecret> {
    let text = secret.strip_prefix("whsec_").ok_or(InvalidSecret::Prefix)?;
    let bytes = STANDARD.decode(text).map_err(|_| InvalidSecret::Base64)?;
    if (24..=64).contains(&bytes.len()) {
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    } else {
        Err(InvalidSecret::Length(bytes.len()))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("secrets", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    /// The specification's own example.
    #[test]
    fn signs_like_the_specification() {
        let signature = Signer::new(SECRET).unwrap().sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn several_secrets_sign_side_by_side() {
        let both = Signer::new(&format!("{SECRET}  {OTHER}")).unwrap().sign("a", 1, b"{}");
        let each = [SECRET, OTHER].map(|secret| Signer::new(secret).unwrap().sign("a", 1, b"{}"));
        assert_eq!(both, each.join(" "));
    }

    #[test]
    fn bad_secrets_are_refused_and_never_shown() {
        for (secret, error) in [
            ("", InvalidSecret::Empty),
            ("  ", InvalidSecret::Empty),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", InvalidSecret::Prefix),
            ("whsec_not base64", InvalidSecret::Base64),
            ("whsec_", InvalidSecret::Length(0)),
            ("whsec_c2hvcnQ=", InvalidSecret::Length(5)),
        ] {
            assert_eq!(Signer::new(secret).unwrap_err(), error, "{secret}");
        }
        assert!(!format!("{:?}", Signer::new(SECRET).unwrap()).contains("MfKQ"));
    }

    proptest! {
        /// The reference implementation makes the same signatures.
        #[test]
        fn agrees_with_the_reference(
            key in proptest::collection::vec(any::<u8>(), 24..=64),
            id in "[A-Za-z0-9._:@-]{1,128}",
            timestamp in 0i64..4_000_000_000,
            body in ".*",
        ) {
            let secret = format!("whsec_{}", STANDARD.encode(key));
            let reference = standardwebhooks::Webhook::new(&secret).unwrap();
            let theirs = reference.sign(&id, timestamp, body.as_bytes()).unwrap();
            prop_assert_eq!(Signer::new(&secret).unwrap().sign(&id, timestamp, body.as_bytes()), theirs);
        }
    }
}
