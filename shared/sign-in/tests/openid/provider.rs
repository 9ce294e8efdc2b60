//! A fake OpenID provider: discovery, keys, and tokens for codes, with whichever lie a test asks for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use url::Url;

pub(crate) const CLIENT: &str = "dashboard";
pub(crate) const CLIENT_SECRET: &str = "a client's secret: 1%";

/// What is wrong with the next token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lie {
    #[default]
    None,
    OtherNonce,
    NoNonce,
    OtherAudience,
    OtherIssuer,
    Expired,
    AlgNone,
    /// Signed by the client's secret, which the specification allows and we do not.
    Hmac,
    /// Signed by the public key, taken for a shared secret.
    HmacWithPublicKey,
    OtherKey,
    Tampered,
    NoIdToken,
    OtherAccessToken,
}

/// The provider.
#[derive(Clone)]
pub(crate) struct Provider(Arc<Inner>);

struct Inner {
    issuer: String,
    key: EcdsaKeyPair,
    other_key: EcdsaKeyPair,
    lie: Mutex<Lie>,
    claims: Mutex<Value>,
    /// Code → nonce and challenge. A code is good once.
    codes: Mutex<HashMap<String, (String, String)>>,
    asked: Mutex<usize>,
}

fn key() -> EcdsaKeyPair {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let provider = Self(Arc::new(Inner {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: key(),
            other_key: key(),
            lie: Mutex::default(),
            claims: Mutex::new(
                json!({ "email": "ada@example.com", "email_verified": true, "groups": ["ops", "everybody"] }),
            ),
            codes: Mutex::default(),
            asked: Mutex::default(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    pub(crate) fn lie(&self, lie: Lie) {
        *self.0.lie.lock().unwrap() = lie;
    }

    pub(crate) fn claims(&self, claims: Value) {
        *self.0.claims.lock().unwrap() = claims;
    }

    /// How often a code was exchanged, or tried to.
    pub(crate) fn asked(&self) -> usize {
        *self.0.asked.lock().unwrap()
    }

    /// Somebody signs in where the browser was sent to: the code and the state that it is sent back with.
    pub(crate) fn consent(&self, address: &str) -> (String, String) {
        let address = Url::parse(address).unwrap();
        let query: HashMap<_, _> = address.query_pairs().into_owned().collect();
        assert_eq!(format!("{}{}", self.0.issuer, "/authorize"), address.as_str().split('?').next().unwrap());
        assert_eq!((&*query["client_id"], &*query["response_type"]), (CLIENT, "code"));
        assert_eq!(query["redirect_uri"], "https://jobs.example.com/sign-in/callback");
        assert_eq!(query["code_challenge_method"], "S256");
        let scopes: Vec<_> = query["scope"].split(' ').collect();
        assert!(scopes.contains(&"openid") && scopes.contains(&"email"), "{scopes:?}");
        let mut codes = self.0.codes.lock().unwrap();
        let code = format!("code-{}", codes.len() + self.asked());
        codes.insert(code.clone(), (query["nonce"].clone(), query["code_challenge"].clone()));
        (code, query["state"].clone())
    }

    fn id_token(&self, nonce: &str, access_token: &str) -> String {
        let lie = *self.0.lie.lock().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let hashed = if lie == Lie::OtherAccessToken { "another" } else { access_token };
        let mut claims = json!({
            "iss": if lie == Lie::OtherIssuer { "http://127.0.0.1:1" } else { self.issuer() },
            "sub": "subject-1",
            "aud": if lie == Lie::OtherAudience { "another-client" } else { CLIENT },
            "iat": now - 600,
            "exp": if lie == Lie::Expired { now - 300 } else { now + 300 },
            "nonce": if lie == Lie::OtherNonce { "another" } else { nonce },
            "at_hash": encode(&Sha256::digest(hashed)[..16]),
        });
        if lie == Lie::NoNonce {
            claims.as_object_mut().unwrap().remove("nonce");
        }
        for (name, value) in self.0.claims.lock().unwrap().as_object().unwrap() {
            claims[name] = value.clone();
        }
        let algorithm = match lie {
            Lie::AlgNone => "none",
            Lie::Hmac | Lie::HmacWithPublicKey => "HS256",
            _ => "ES256",
        };
        let header = json!({ "alg": algorithm, "typ": "JWT", "kid": "key-1" });
        let text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let with_secret =
            |secret: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes()).as_ref().to_vec();
        let signed = |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec();
        let signature = match lie {
            Lie::AlgNone => Vec::new(),
            Lie::Hmac => with_secret(CLIENT_SECRET.as_bytes()),
            Lie::HmacWithPublicKey => with_secret(self.0.key.public_key().as_ref()),
            Lie::OtherKey => signed(&self.0.other_key),
            _ => signed(&self.0.key),
        };
        if lie == Lie::Tampered {
            claims["email"] = json!("root@example.com");
            let text = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
            return format!("{text}.{}", encode(signature));
        }
        format!("{text}.{}", encode(signature))
    }
}

async fn configuration(State(provider): State<Provider>) -> Json<Value> {
    let issuer = provider.issuer();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        // It offers what must not be accepted.
        "id_token_signing_alg_values_supported": ["ES256", "RS256", "HS256", "none"],
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let public = provider.0.key.public_key().as_ref().to_vec();
    let (x, y) = public[1..].split_at(32);
    let key = json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": "key-1", "x": encode(x), "y": encode(y) });
    Json(json!({ "keys": [key] }))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    *provider.0.asked.lock().unwrap() += 1;
    let refuse = |why: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": why, "error_description": "<script>" })));
    let secret: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
    if headers.get("authorization").is_none_or(|found| found != &*basic) {
        return refuse("invalid_client");
    }
    let Some((nonce, challenge)) = provider.0.codes.lock().unwrap().remove(&form["code"]) else {
        return refuse("invalid_grant");
    };
    let proof = encode(Sha256::digest(&form["code_verifier"]));
    if proof != challenge || form["redirect_uri"] != "https://jobs.example.com/sign-in/callback" {
        return refuse("invalid_grant");
    }
    let access_token = "an access token";
    let mut answer = json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 300 });
    if *provider.0.lie.lock().unwrap() != Lie::NoIdToken {
        answer["id_token"] = provider.id_token(&nonce, access_token).into();
    }
    (StatusCode::OK, Json(answer))
}
