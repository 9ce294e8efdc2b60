//! An OpenID provider: discovery, keys, and ID tokens for codes, with whichever lie a test asks for.

mod keys;
mod pair;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hyper::{Method, StatusCode};
use ring::{digest, hmac};
use serde_json::{Value, json};
use url::Url;

use self::pair::Pair;
pub use self::pair::Signing;
use crate::{
    call::{Call, Route},
    endpoint::{Endpoint, Service},
    http::{Reply, Request, header, json_reply, reply},
};

/// An endpoint that is an OpenID provider. Its URL is its issuer.
pub type FakeProvider = Endpoint<OpenId>;

/// What is wrong with the next tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// It answers another sign-in.
    OtherNonce,
    /// It answers any sign-in.
    NoNonce,
    /// It is for another client.
    OtherAudience,
    /// It is for other clients too.
    MoreAudiences,
    /// Another provider has issued it.
    OtherIssuer,
    /// It has expired.
    Expired,
    /// Nobody has signed it.
    AlgNone,
    /// It is signed by the client's secret, which the specification allows and we do not.
    Hmac,
    /// It is signed by the public key, taken for a shared secret.
    HmacWithPublicKey,
    /// It is signed by a key that is not published.
    OtherKey,
    /// It names a key that is not published.
    OtherKeyId,
    /// It was changed after it was signed.
    Tampered,
    /// There is none.
    NoIdToken,
    /// It belongs to another access token.
    OtherAccessToken,
}

/// A code that waits to be exchanged.
#[derive(Debug, Clone)]
struct Consent {
    nonce: String,
    challenge: String,
    redirect: String,
}

#[derive(Debug)]
struct State {
    lie: Lie,
    claims: Value,
    /// A code is good once.
    codes: HashMap<String, Consent>,
    given: usize,
    /// How often the key was replaced.
    generation: usize,
    /// How far the clock is ahead, in seconds.
    ahead: i64,
}

/// A provider with one client, and one key.
#[derive(Debug)]
pub struct OpenId {
    signing: Signing,
    keys: [Pair; 2],
    state: Mutex<State>,
}

impl OpenId {
    /// The client's id.
    pub const CLIENT: &'static str = "dashboard";
    /// The client's secret.
    pub const CLIENT_SECRET: &'static str = "a client's secret: 1%";

    /// A provider that signs so.
    #[must_use]
    pub fn signing(signing: Signing) -> Self {
        let claims = json!({ "email": "ada@example.com", "email_verified": true, "groups": ["ops", "everybody"] });
        let state = State { lie: Lie::None, claims, codes: HashMap::new(), given: 0, generation: 0, ahead: 0 };
        Self { signing, keys: [Pair::new(signing, 0), Pair::new(signing, 1)], state: Mutex::new(state) }
    }

    /// From now on, tokens have this fault.
    pub fn lie(&self, lie: Lie) {
        self.state().lie = lie;
    }

    /// From now on, tokens have these claims, besides those that the specification asks for.
    pub fn claims(&self, claims: Value) {
        self.state().claims = claims;
    }

    /// Replaces the key. Only the new one is published.
    pub fn rotate(&self) {
        self.state().generation += 1;
    }

    /// From now on, the provider's clock is ahead by so many seconds.
    pub fn clock_ahead(&self, seconds: i64) {
        self.state().ahead = seconds;
    }

    /// Somebody signs in where the browser was sent to. Returns the code and the state that the browser is sent back with;
    /// nothing if the address asks for no sign-in.
    pub fn consent(&self, address: &str) -> Option<(String, String)> {
        let address = Url::parse(address).ok()?;
        let query: HashMap<_, _> = address.query_pairs().into_owned().collect();
        let field = |name: &str| query.get(name).cloned();
        let consent =
            Consent { nonce: field("nonce")?, challenge: field("code_challenge")?, redirect: field("redirect_uri")? };
        let mut state = self.state();
        state.given += 1;
        let code = format!("code-{}", state.given);
        state.codes.insert(code.clone(), consent);
        Some((code, field("state")?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, generation: usize) -> (&Pair, String) {
        (&self.keys[generation % 2], format!("key-{}", generation + 1))
    }

    fn configuration(&self, issuer: &str) -> Value {
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            // It offers what must not be accepted.
            "id_token_signing_alg_values_supported": [self.signing.name(), "HS256", "none"],
        })
    }

    fn published(&self) -> Value {
        let (pair, id) = self.key(self.state().generation);
        let mut key = pair.public();
        (key["use"], key["kid"]) = ("sig".into(), id.into());
        json!({ "keys": [key] })
    }

    fn token(&self, issuer: &str, request: &Request) -> Result<Value, &'static str> {
        let form: HashMap<_, _> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        let secret: String = url::form_urlencoded::byte_serialize(Self::CLIENT_SECRET.as_bytes()).collect();
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{secret}", Self::CLIENT)));
        if header(request, "authorization") != basic {
            return Err("invalid_client");
        }
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let consent = self.state().codes.remove(field("code")).ok_or("invalid_grant")?;
        let proof = encode(digest::digest(&digest::SHA256, field("code_verifier").as_bytes()));
        if proof != consent.challenge || field("redirect_uri") != consent.redirect {
            return Err("invalid_grant");
        }
        let access_token = "an access token";
        let mut answer = json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": 300 });
        if self.state().lie != Lie::NoIdToken {
            answer["id_token"] = self.id_token(issuer, &consent.nonce, access_token).into();
        }
        Ok(answer)
    }

    fn id_token(&self, issuer: &str, nonce: &str, access_token: &str) -> String {
        let State { lie, claims, generation, ahead, .. } = &*self.state();
        let (lie, generation) = (*lie, *generation);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = now.saturating_add_signed(*ahead);
        let hashed = if lie == Lie::OtherAccessToken { "another" } else { access_token };
        let audience = match lie {
            Lie::OtherAudience => json!("another-client"),
            Lie::MoreAudiences => json!([Self::CLIENT, "another-client"]),
            _ => json!(Self::CLIENT),
        };
        let mut all = json!({
            "iss": if lie == Lie::OtherIssuer { "http://127.0.0.1:1" } else { issuer },
            "sub": "subject-1",
            "aud": audience,
            "iat": if lie == Lie::Expired { now - 600 } else { now },
            "exp": if lie == Lie::Expired { now - 1 } else { now + 300 },
            "nonce": if lie == Lie::OtherNonce { "another" } else { nonce },
            "at_hash": encode(&digest::digest(&digest::SHA256, hashed.as_bytes()).as_ref()[..16]),
        });
        if let (Lie::NoNonce, Some(all)) = (lie, all.as_object_mut()) {
            all.remove("nonce");
        }
        for (name, value) in claims.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let (pair, id) = self.key(generation);
        let algorithm = match lie {
            Lie::AlgNone => "none",
            Lie::Hmac | Lie::HmacWithPublicKey => "HS256",
            _ => self.signing.name(),
        };
        let id = if lie == Lie::OtherKeyId { "key-99" } else { &*id };
        let head = json!({ "alg": algorithm, "typ": "JWT", "kid": id });
        let text = format!("{}.{}", encode(head.to_string()), encode(all.to_string()));
        let with_secret =
            |secret: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes()).as_ref().to_vec();
        let signature = match lie {
            Lie::AlgNone => Vec::new(),
            Lie::Hmac => with_secret(Self::CLIENT_SECRET.as_bytes()),
            Lie::HmacWithPublicKey => with_secret(&pair.known_to_all()),
            Lie::OtherKey => self.key(generation + 1).0.sign(text.as_bytes()),
            _ => pair.sign(text.as_bytes()),
        };
        if lie == Lie::Tampered {
            all["email"] = json!("root@example.com");
            let text = format!("{}.{}", encode(head.to_string()), encode(all.to_string()));
            return format!("{text}.{}", encode(signature));
        }
        format!("{text}.{}", encode(signature))
    }
}

impl Service for OpenId {
    type Measure = ();

    fn route(&self, _: &Method, path: &str) -> Option<Route> {
        let action = match path {
            "/.well-known/openid-configuration" => "configuration",
            "/keys" => "keys",
            "/token" => "token",
            _ => return None,
        };
        Some(Route { action, field: None })
    }

    async fn answer(&self, call: &mut Call, request: Request) -> Reply {
        let issuer = format!("http://{}", header(&request, "host"));
        let answer = match call.action.as_str() {
            "configuration" => Ok(self.configuration(&issuer)),
            "keys" => Ok(self.published()),
            "token" => self.token(&issuer, &request),
            _ => return reply(StatusCode::NOT_FOUND, "there is nothing"),
        };
        match answer {
            Ok(answer) => json_reply(StatusCode::OK, &answer),
            Err(why) => json_reply(StatusCode::BAD_REQUEST, &json!({ "error": why, "error_description": "<script>" })),
        }
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
