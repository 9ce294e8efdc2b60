//! Keys that sign.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

use super::{encode, keys};

/// How a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// ECDSA with P-256: `ES256`.
    Ecdsa,
    /// RSA with PKCS #1: `RS256`, which most providers use.
    Rsa,
}

impl Signing {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ES256",
            Self::Rsa => "RS256",
        }
    }
}

pub(super) enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

#[expect(clippy::expect_used, reason = "the keys are those of this file's neighbour, and a machine has random numbers")]
impl Pair {
    /// One of two keys.
    pub(super) fn new(signing: Signing, number: usize) -> Self {
        match signing {
            Signing::Ecdsa => {
                let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
                let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("a key");
                Self::Ecdsa(Box::new(pair))
            }
            Signing::Rsa => {
                let document = STANDARD.decode(keys::RSA[number]).expect("base64");
                Self::Rsa(Box::new(RsaKeyPair::from_pkcs8(&document).expect("a key")))
            }
        }
    }

    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ecdsa(pair) => pair.sign(&random, text).expect("a signature").as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).expect("a signature");
                signature
            }
        }
    }

    /// The public key, as a provider publishes it.
    pub(super) fn public(&self) -> Value {
        match self {
            Self::Ecdsa(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Self::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kty": "RSA", "alg": "RS256", "n": encode(n), "e": encode(e) })
            }
        }
    }

    /// What somebody who knows the public key alone may take for a secret: the key as PKCS #1, or as a point.
    pub(super) fn known_to_all(&self) -> Vec<u8> {
        match self {
            Self::Ecdsa(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rsa(pair) => pair.public().as_ref().to_vec(),
        }
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa(_) => "Pair::Ecdsa",
            Self::Rsa(_) => "Pair::Rsa",
        })
    }
}
